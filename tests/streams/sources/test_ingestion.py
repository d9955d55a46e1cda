"""From a file to the topics: every row becomes a record in some topic, and the tally says in which."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from processors.ingestion import MAX_ROW_BYTES, Reading, Row, follow_rows, list_files, read_listing
from schemas.codec import MAX_BYTES
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.sources.ingestion import Ingestion
from streams.topics.table import TopicName
from tests.streams.staged_work import arrived, letters, make_topics, until


@dataclass
class Into:
    """Ingest rows into an embedded broker; return the result."""

    connection: Connection
    prefix: str
    ingestion: Ingestion
    bad: list[tuple[Row, str]] = field(default_factory=list)

    async def file(self, path: Path) -> None:
        await self.ingestion.run(read_listing(list_files(path), lambda _: None))

    async def topic(self, name: TopicName) -> list[str]:
        async with KafkaClient(self.connection) as client:
            return sorted(sample.prompt.instruction for sample in await arrived(client, self.prefix, name))


@pytest.fixture
async def into(embedded: Connection, prefix: str) -> AsyncIterator[Into]:
    await make_topics(embedded, prefix)
    async with open_sender(embedded) as sender:
        reading = Reading(labels={"dataset": "own"})
        made = Into(embedded, prefix, Ingestion(prefix, sender, reading, lambda row, why: made.bad.append((row, why))))
        yield made


def counts(into: Into) -> tuple[int, int, int]:
    tally = into.ingestion.tally
    assert tally.rows == tally.answers + tally.prompts + tally.bad
    return tally.answers, tally.prompts, tally.bad


def lines(*rows: object) -> bytes:
    return b"".join((row if isinstance(row, bytes) else orjson.dumps(row)) + b"\n" for row in rows)


async def test_answers_prompts_and_bad_rows_each_go_their_way(into: Into, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    bad = (b'{"instruction": "torn', b'["a list"]', b'{"colour": "red"}', b'{"instruction": "  "}', b"\xff\xfe noise")
    good = ({"instruction": "a", "output": "A 好"}, {"prompt": "b"}, {"instruction": "c", "output": " "})
    file.write_bytes(lines(good[0], bad[0], good[1], *bad[1:], good[2]))
    await into.file(file)
    assert counts(into) == (1, 2, 5)
    assert await into.topic("answers") == ["a"]
    assert await into.topic("prompts") == ["b", "c"]
    async with KafkaClient(into.connection) as client:
        dead = [letter for letter, _ in await letters(client, into.prefix)]
        (sample,) = await arrived(client, into.prefix, "answers")
    assert sample.labels == {"dataset": "own"}
    assert sample.lineage[0].params == {"file": "rows.jsonl", "line": 1}
    assert [letter.value for letter in dead] == list(bad)
    assert [letter.offset for letter in dead] == [2, 4, 5, 6, 7]
    for letter in dead:
        assert (letter.stage, letter.partition) == ("ingest", -1)
        assert letter.message.startswith(f"rows.jsonl:{letter.offset}: ")
        assert letter.identity == "ingest/" + hashlib.blake2b(letter.value or b"", digest_size=16).hexdigest()
    assert [row.line for row, _ in into.bad] == [2, 4, 5, 6, 7]
    assert all(why for _, why in into.bad)


async def test_the_same_bad_row_twice_is_one_identity(into: Into, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(b"noise"))
    (tmp_path / "b.jsonl").write_bytes(lines({"prompt": "good"}, b"noise", b"other noise"))
    await into.file(tmp_path)
    async with KafkaClient(into.connection) as client:
        one, two, other = [letter for letter, _ in await letters(client, into.prefix)]
    assert one.identity == two.identity != other.identity
    assert (one.message[:9], two.message[:9]) == ("a.jsonl:1", "b.jsonl:2")


async def test_the_same_row_again_has_the_same_id(into: Into, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"instruction": "a", "output": "A"}))
    await into.file(tmp_path / "a.jsonl")
    await into.file(tmp_path / "a.jsonl")
    async with KafkaClient(into.connection) as client:
        one, two = await arrived(client, into.prefix, "answers")
    assert one.sample_id == two.sample_id


async def test_rows_that_are_too_long_are_dead_letters_and_the_file_goes_on(into: Into, tmp_path: Path) -> None:
    """One row is too long to be read, one is read but too large for a message."""
    unread = orjson.dumps({"instruction": "x" * MAX_ROW_BYTES})
    unsent = orjson.dumps({"instruction": "y" * MAX_BYTES, "output": "z"})
    file = tmp_path / "rows.jsonl"
    file.write_bytes(lines(unread, unsent, {"instruction": "a", "output": "A"}))
    await into.file(file)
    assert counts(into) == (1, 0, 2)
    async with KafkaClient(into.connection) as client:
        first, second = [letter for letter, _ in await letters(client, into.prefix)]
    assert unread.startswith(first.value or b"!")
    assert (first.error, second.error) == ("ShapeError", "EncodeError")
    assert second.value == unsent
    assert first.message.startswith(f"rows.jsonl:1: longer than {MAX_ROW_BYTES} bytes")


async def test_a_file_of_many_batches_arrives_whole(into: Into, tmp_path: Path) -> None:
    rows = [{"instruction": f"{n:05}", "output": "x"} for n in range(1203)]
    (tmp_path / "rows.jsonl").write_bytes(lines(*rows))
    told: list[int] = []
    listing = list_files(tmp_path / "rows.jsonl")
    await into.ingestion.run(read_listing(listing, lambda _: None), lambda: told.append(into.ingestion.tally.rows))
    assert told == [500, 1000, 1203]
    assert await into.topic("answers") == [row["instruction"] for row in rows]


async def test_following_a_file_sends_the_lines_that_are_added(into: Into, tmp_path: Path) -> None:
    file = tmp_path / "growing.jsonl"
    file.write_bytes(lines({"prompt": "first"}) + b'{"prompt": "sec')
    rows = follow_rows(file, lambda note: None)
    task = asyncio.create_task(into.ingestion.follow(rows, 0.01, lambda: None))

    async def has(count: int) -> bool:
        return into.ingestion.tally.rows == count

    try:
        await until(lambda: has(1))
        with file.open("ab") as stream:
            stream.write(b'ond"}\nnoise\n')
        await until(lambda: has(3))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert counts(into) == (0, 2, 1)
    assert await into.topic("prompts") == ["first", "second"]
