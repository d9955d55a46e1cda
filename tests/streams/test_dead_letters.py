"""Dead letters are read as they were written, and replayed unchanged to the topic that they came from."""

from dataclasses import replace
from pathlib import Path

from processors.errors import InvalidSample
from schemas import encode
from schemas.identity import identity_of
from streams import dead_letters
from streams.dead_letters import Replayed
from streams.delivery.config import RetryPolicy
from streams.delivery.crashes import Crashes
from streams.delivery.offset_tracker import OffsetTracker
from streams.delivery.outcomes import Outcomes
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient, Record
from streams.kafka.connection import Connection
from streams.topics.reading import records
from streams.topics.table import TopicName
from tests.streams.delivery.test_offset_tracker import Fetched
from tests.streams.history import bury, letter_of
from tests.streams.staged_work import letters, make_topics, number


async def replay(
    connection: Connection, prefix: str, stage: str | None = None, everything: bool = False, undecodable: bool = False
) -> Replayed:
    async with KafkaClient(connection) as client, open_sender(connection) as sender:
        return await dead_letters.replay(client, prefix, sender, stage, everything, undecodable)


async def sent_back(connection: Connection, prefix: str, name: TopicName = "answers") -> list[Record]:
    async with KafkaClient(connection) as client:
        return [record async for _, record in records(client, prefix, name)]


async def test_dead_letters_are_read_with_their_story(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    written = [letter_of(prefix, number(i), offset=i) for i in range(3)]
    await bury(broker, prefix, written)
    async with KafkaClient(broker) as client:
        found = [stored async for stored in dead_letters.read(client, prefix)]
    assert [stored.offset for stored in found] == [0, 1, 2]
    assert [replace(stored.letter, timestamp_ms=0) for stored in found] == written
    data = found[2].data()
    assert (data["stage"], data["source_offset"], data["identity"]) == ("scoring", 2, number(2).sample_id)
    assert data["bytes"] == len(encode(number(2)))
    assert data["timestamp_ms"] > 1_600_000_000_000
    assert "answer 2" not in repr(data)


async def test_a_replay_sends_the_bytes_with_their_identity_and_a_second_one_nothing(
    broker: Connection, prefix: str
) -> None:
    await make_topics(broker, prefix)
    noise = replace(letter_of(prefix, number(9), identity="t/0/9"), key=None, value=bytes(range(256)))
    await bury(broker, prefix, [letter_of(prefix, number(0)), noise, letter_of(prefix, number(1), name="scored")])
    assert await replay(broker, prefix, undecodable=True) == Replayed(sent=3, unplaced=0)
    found = {identity_of(r.headers): (r.key, r.value) for r in await sent_back(broker, prefix)}
    first = number(0)
    assert found == {first.sample_id: (first.sample_id.encode(), encode(first)), "t/0/9": (None, noise.value)}
    (scored,) = await sent_back(broker, prefix, "scored")
    assert identity_of(scored.headers) == number(1).sample_id

    assert await replay(broker, prefix) == Replayed(sent=0, unplaced=0)
    await bury(broker, prefix, [letter_of(prefix, number(2))])
    assert await replay(broker, prefix) == Replayed(sent=1, unplaced=0)
    assert await replay(broker, prefix, everything=True, undecodable=True) == Replayed(sent=4, unplaced=0)
    assert len(await sent_back(broker, prefix)) == 6


async def test_a_tombstone_goes_back_as_a_tombstone(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await bury(embedded, prefix, [replace(letter_of(prefix, number(0), identity="t/0/0"), key=b"k", value=None)])
    assert (await replay(embedded, prefix, undecodable=True)).sent == 1
    (record,) = await sent_back(embedded, prefix)
    assert (record.key, record.value) == (b"k", None)


async def test_a_replay_of_one_stage_leaves_the_others_for_later(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    scoring, diversity = letter_of(prefix, number(0)), letter_of(prefix, number(1), "diversity", "scored")
    await bury(embedded, prefix, [scoring, diversity])
    assert await replay(embedded, prefix, stage="diversity") == Replayed(sent=1, unplaced=0)
    assert await sent_back(embedded, prefix) == []
    assert len(await sent_back(embedded, prefix, "scored")) == 1
    assert (await replay(embedded, prefix)).sent == 2
    assert len(await sent_back(embedded, prefix)) == 1


async def test_what_has_no_topic_to_go_back_to_is_left(embedded: Connection, prefix: str) -> None:
    """Rows of files, records that we did not write, and letters of a run with another prefix."""
    await make_topics(embedded, prefix)
    letter = letter_of(prefix, number(0))
    row = replace(letter, partition=-1, stage="ingest")
    foreign = replace(letter, topic="")
    other = replace(letter, topic="other.answers")
    await bury(embedded, prefix, [row, foreign, other, letter])
    assert await replay(embedded, prefix) == Replayed(sent=1, unplaced=3)
    assert len(await sent_back(embedded, prefix)) == 1


async def test_more_than_one_batch_goes_back_whole(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await bury(embedded, prefix, [letter_of(prefix, number(i)) for i in range(dead_letters._BATCH + 7)])
    assert (await replay(embedded, prefix)).sent == dead_letters._BATCH + 7
    assert len({identity_of(r.headers) for r in await sent_back(embedded, prefix)}) == dead_letters._BATCH + 7


async def test_a_second_failure_is_known_as_the_same_record(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """If a record holds no sample, its identity is its first place, not its place after a replay."""
    await make_topics(embedded, prefix)
    first = replace(letter_of(prefix, number(0), identity=f"{prefix}.answers/3/41"), value=b"noise")
    await bury(embedded, prefix, [first])
    await replay(embedded, prefix, undecodable=True)
    async with KafkaClient(embedded) as client, open_sender(embedded) as sender:
        ((tp, record),) = [pair async for pair in records(client, prefix, "answers")]
        assert (tp.partition, record.offset) != (3, 41)
        fetched = Fetched(record.offset, tp.topic, tp.partition, 0, record.key, record.value, record.headers)
        outcomes = Outcomes(
            "scoring", prefix, ["scored"], sender, RetryPolicy(), Crashes(tmp_path / "c.json"), fail=lambda error: None
        )
        await outcomes.dead_letter(OffsetTracker().deliver(fetched), InvalidSample("still"))
        one, two = [letter for letter, _ in await letters(client, prefix)]
    assert one.identity == two.identity == f"{prefix}.answers/3/41"
    assert (two.topic, two.partition, two.offset, two.message) == (tp.topic, tp.partition, record.offset, "still")
    assert two.value == b"noise"


async def test_letters_that_cannot_be_decoded_are_left_out_and_do_not_hold_the_position(
    embedded: Connection, prefix: str
) -> None:
    await make_topics(embedded, prefix)
    sound = letter_of(prefix, number(0))
    noise = replace(sound, value=b"noise", identity="t/0/1")
    newer = replace(sound, value=b'{"schema_version": 999}', identity="t/0/2")
    await bury(embedded, prefix, [sound, noise, newer])
    assert await replay(embedded, prefix) == Replayed(sent=2, unplaced=0, undecodable=1)
    assert {record.value for record in await sent_back(embedded, prefix)} == {sound.value, newer.value}
    assert await replay(embedded, prefix) == Replayed(sent=0, unplaced=0, undecodable=0)
    assert await replay(embedded, prefix, undecodable=True) == Replayed(sent=1, unplaced=0)
    assert len([record for record in await sent_back(embedded, prefix) if record.value == b"noise"]) == 1


async def test_the_state_of_a_stage_is_not_taken_for_an_undecodable_sample(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await bury(embedded, prefix, [replace(letter_of(prefix, number(0), name="model"), value=b"state")])
    assert await replay(embedded, prefix) == Replayed(sent=1, unplaced=0)
