"""The ledger balances if no record is lost, and names the ids that are lost or have ended twice."""

import pytest

from schemas import encode
from schemas.codec import MAX_BYTES
from streams.inspection import ledger
from streams.inspection.ledger import Ledger
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TopicName
from tests.streams.history import (
    ONE_KEY,
    bury,
    commit,
    decided,
    feed_in_order,
    feed_replayed,
    letter_of,
)
from tests.streams.staged_work import feed_raw, make_topics, number


async def account(connection: Connection, prefix: str) -> Ledger:
    async with KafkaClient(connection) as client:
        return await ledger.take(client, prefix)


async def test_nothing_balances(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    found = await account(broker, prefix)
    assert found.balanced
    assert found.total == 0


async def _journey(connection: Connection, prefix: str, scored: bool) -> None:
    """Ten answers, five of them committed: two curated, one rejected, one dead; the fifth is `scored` or lost."""
    await make_topics(connection, prefix)
    samples = [number(i) for i in range(10)]
    await feed_in_order(connection, prefix, samples)
    await feed_in_order(connection, prefix, [samples[0], samples[1], samples[3]], "scored")
    await feed_in_order(connection, prefix, [decided(samples[0]), decided(samples[3])], "curated")
    await feed_in_order(connection, prefix, [decided(samples[1], "rejected", "near_duplicate")], "rejected")
    await bury(connection, prefix, [letter_of(prefix, samples[2])])
    async with KafkaClient(connection) as client:
        await commit(client, prefix, "scoring", "answers", 5)
        await commit(client, prefix, "diversity", "scored", 3)
    if scored:
        await feed_in_order(connection, prefix, [samples[4]], "scored")


async def test_every_sample_is_accounted_for(broker: Connection, prefix: str) -> None:
    await _journey(broker, prefix, scored=True)
    found = await account(broker, prefix)
    assert found.data() == {
        "in": 10,
        "curated": 2,
        "rejected": {"near_duplicate": 1},
        "dead": {"scoring: InvalidSample": 1},
        "pending": {"answers": 5, "scored": 1},
        "missing": [],
        "ended_twice": [],
        "repeated_records": 0,
        "foreign_records": {},
        "balanced": True,
    }


async def test_a_record_below_the_commit_without_an_output_is_missing(broker: Connection, prefix: str) -> None:
    await _journey(broker, prefix, scored=False)
    found = await account(broker, prefix)
    assert found.missing == [number(4).sample_id]
    assert not found.balanced
    assert (found.total, found.curated, found.pending.total()) == (10, 2, 5)


async def test_pending_is_counted_by_the_commit_and_not_as_the_rest(embedded: Connection, prefix: str) -> None:
    """The same records, and only the commit moves: pending records become missing, one by one."""
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(i) for i in range(4)])
    async with KafkaClient(embedded) as client:
        for done in range(5):
            await commit(client, prefix, "scoring", "answers", done)
            found = await ledger.take(client, prefix)
            assert (found.pending.total(), len(found.missing), found.total) == (4 - done, done, 4)


async def test_a_record_that_was_scored_and_lost_by_diversity_is_missing(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(0)])
    await feed_in_order(embedded, prefix, [number(0)], "scored")
    async with KafkaClient(embedded) as client:
        await commit(client, prefix, "scoring", "answers")
        assert (await ledger.take(client, prefix)).pending == {"scored": 1}
        await commit(client, prefix, "diversity", "scored")
        assert (await ledger.take(client, prefix)).missing == [number(0).sample_id]


async def test_prompts_wait_as_long_as_no_stage_reads_them(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(0)], "prompts")
    assert (await account(embedded, prefix)).pending == {"prompts": 1}


@pytest.mark.parametrize("second", ["curated", "rejected"])
async def test_a_sample_that_ended_twice_is_found(embedded: Connection, prefix: str, second: TopicName) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(0), number(1)])
    await feed_in_order(embedded, prefix, [decided(number(0)), decided(number(1))], "curated")
    await feed_in_order(embedded, prefix, [decided(number(1), "rejected")], second)
    async with KafkaClient(embedded) as client:
        await commit(client, prefix, "scoring", "answers")
    found = await account(embedded, prefix)
    assert found.twice == [number(1).sample_id]
    assert not found.balanced
    assert found.total == 2


async def test_records_that_are_none_of_ours_are_told_and_not_counted(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    undecided = (b"x", encode(number(0)))
    await feed_raw(embedded, prefix, [(b"x", b"noise"), undecided, (b"x", None)], "curated")
    await feed_raw(embedded, prefix, [(b"x", b"noise")], "rejected")
    await feed_raw(embedded, prefix, [(b"x", b"noise")], "dead-letters")
    found = await account(embedded, prefix)
    assert found.foreign == {"curated": 3, "rejected": 1, "dead-letters": 1}
    assert found.total == 0
    assert found.balanced


async def test_a_dead_letter_that_was_replayed_and_curated_counts_once(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    sample = number(0)
    await feed_in_order(broker, prefix, [sample])
    await bury(broker, prefix, [letter_of(prefix, sample)])
    async with KafkaClient(broker) as client:
        await commit(client, prefix, "scoring", "answers")
        assert (await ledger.take(client, prefix)).dead.total() == 1
        await feed_replayed(broker, f"{prefix}.answers", sample.sample_id, encode(sample))
        found = await ledger.take(client, prefix)
        assert (found.total, found.pending, found.dead.total()) == (1, {"answers": 1}, 0)
        await commit(client, prefix, "scoring", "answers")
        await feed_in_order(broker, prefix, [sample], "scored")
        await commit(client, prefix, "diversity", "scored")
        await feed_in_order(broker, prefix, [decided(sample)], "curated")
        found = await ledger.take(client, prefix)
    assert (found.total, found.curated, found.dead.total()) == (1, 1, 0)
    assert found.balanced


@pytest.mark.parametrize("value", [b"noise", None, b"x" * (MAX_BYTES + 1)], ids=["noise", "tombstone", "too large"])
async def test_bytes_that_are_no_sample_keep_one_identity_through_a_replay(
    embedded: Connection, prefix: str, value: bytes | None
) -> None:
    await make_topics(embedded, prefix)
    await feed_raw(embedded, prefix, [(ONE_KEY, value)])
    async with KafkaClient(embedded) as client:
        waiting = await ledger.take(client, prefix)
        assert waiting.pending == {"answers": 1}
        await commit(client, prefix, "scoring", "answers")
        (place,) = (await ledger.take(client, prefix)).missing
        await bury(embedded, prefix, [letter_of(prefix, number(0), identity=place)])
        await feed_replayed(embedded, f"{prefix}.answers", place, value or b"")
        await commit(client, prefix, "scoring", "answers")
        await bury(embedded, prefix, [letter_of(prefix, number(0), identity=place)])
        found = await ledger.take(client, prefix)
    assert (found.total, found.dead.total(), found.missing) == (1, 1, [])


async def test_an_id_counts_once_however_often_its_record_was_sent(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(0), number(1), number(0), number(0)])
    found = await account(embedded, prefix)
    assert (found.total, found.pending, found.repeats) == (2, {"answers": 2}, 2)
    assert found.balanced


async def test_every_record_that_is_read_is_told(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(0), number(1)])
    await feed_in_order(embedded, prefix, [decided(number(0))], "curated")
    await bury(embedded, prefix, [letter_of(prefix, number(1))])
    told: list[int] = []
    async with KafkaClient(embedded) as client:
        await ledger.take(client, prefix, lambda: told.append(1))
    assert len(told) == 4
