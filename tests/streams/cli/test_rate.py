"""`siftstream rate`: keys from a pipe and from a terminal, imports, interruptions, and a run that has stopped."""

import asyncio
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from schemas import Sample
from streams.cli import main
from streams.inspection import ledger
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.supervisor import running
from streams.rundir import RunDir
from streams.settings import LlmSettings, Settings
from streams.sources import rating
from streams.topics.reading import decided, samples
from tests.paths import REPOSITORY
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import feed, make_topics

SAMPLES = [
    replace(sample, language=language)
    for sample, language in zip(topic_stream(160, topics=8, dims=16)[1], cycle(["en", "zh"]), strict=False)
]


@dataclass
class Decided:
    """A run that has decided about `SAMPLES`."""

    connection: Connection
    settings: Settings

    @property
    def words(self) -> list[str]:
        return [f"--dir={self.settings.dir}", f"--prefix={self.settings.prefix}"]

    async def rate(self, *words: str, keys: str = "", code: int = 0) -> Result:
        options: dict[str, Any] = {"input": keys, "catch_exceptions": False}
        found = await asyncio.to_thread(CliRunner().invoke, main, [*self.words, "rate", *words], **options)
        assert found.exit_code == code, found.output
        return found

    async def ratings(self) -> list[Sample]:
        async with KafkaClient(self.connection) as client:
            return [sample async for sample in samples(client, self.settings.prefix, "scored") if sample.rating]

    async def standing(self) -> dict[str, Sample]:
        async with KafkaClient(self.connection) as client:
            return {sample.sample_id: sample async for sample in decided(client, self.settings.prefix)}

    def start(self, *words: str, **pipes: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "streams.cli", *self.words, "rate", *words]
        return subprocess.Popen(command, cwd=REPOSITORY, **pipes)


@pytest.fixture
async def run(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Decided]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    settings = deciding_settings(tmp_path / "run", prefix, warm_up=10)
    directory = RunDir(settings.dir)
    with directory.lock():
        directory.announce(embedded)
        await make_topics(embedded, prefix)
        await feed(embedded, prefix, SAMPLES, "scored")
        fold = Diversity(seen=SeenIds(":memory:"), config=settings.diversity)
        found = [fold.decide(sample, offset) for offset, sample in enumerate(SAMPLES)]
        for outcome in rating.OUTCOMES:
            ended = [sample for sample in found if sample and sample.decision and sample.decision.outcome == outcome]
            await feed(embedded, prefix, ended, outcome)
        yield Decided(embedded, settings)


async def test_keys_from_a_pipe_are_ratings_in_the_stream(run: Decided) -> None:
    before = await run.standing()
    found = await run.rate("--count", "6", "--json", keys="k\nd\nsx f k q")
    assert orjson.loads(found.stdout) == {"keep": 2, "drop": 1, "skipped": 1, "unknown": []}
    assert found.stderr.count("saved: ") == 3
    sent = await run.ratings()
    assert [sample.rating for sample in sent] == ["keep", "drop", "keep"]
    for sample in sent:
        original = next(each for each in SAMPLES if each.sample_id == sample.sample_id)
        assert replace(sample, rating="") == original
        assert f"saved: {sample.rating} {sample.sample_id}" in found.stderr

    await decide(run.connection, run.settings, [])
    assert await run.standing() == before
    async with KafkaClient(run.connection) as client:
        account = await ledger.take(client, run.settings.prefix)
    assert account.balanced
    assert (account.total, account.repeats, account.pending.total()) == (len(SAMPLES), 3, 0)


async def test_half_are_curated_and_the_answers_show_why(run: Decided) -> None:
    shown = (await run.rate("--count", "10", keys="s" * 10)).stderr
    assert shown.count("why       curated: ") == shown.count("why       rejected: below_threshold, gain ") == 5
    assert "asks      the question about" in shown
    assert "answer    an answer" in shown
    assert ", threshold 0." in shown
    assert "near_duplicate" not in shown


async def test_only_the_wanted_are_shown_and_nothing_twice(run: Decided) -> None:
    standing = await run.standing()
    doubtful = {s.sample_id for s in standing.values() if s.decision and s.decision.reason == "below_threshold"}
    chinese = {sample_id for sample_id in doubtful if standing[sample_id].language == "zh"}
    await run.rate("--only", "rejected", "--language", "zh", "--count", "1000", keys="k" * 1000)
    assert {sample.sample_id for sample in await run.ratings()} == chinese
    await run.rate("--only", "rejected", "--count", "1000", keys="d" * 1000)
    ratings = await run.ratings()
    assert {sample.sample_id for sample in ratings} == doubtful
    assert len(ratings) == len(doubtful)
    none_left = await run.rate("--only", "rejected", keys="k")
    assert "nothing to rate" in none_left.stderr
    assert "0 ratings saved" in none_left.stdout


async def test_undo_turns_the_last_rating_round(run: Decided) -> None:
    found = await run.rate("--json", keys="ukuudq")
    assert "no rating to undo" in found.stderr
    assert orjson.loads(found.stdout) == {"keep": 1, "drop": 1, "skipped": 0, "unknown": []}
    first, second, third, fourth = await run.ratings()
    assert first.sample_id == second.sample_id == third.sample_id != fourth.sample_id
    assert [each.rating for each in (first, second, third, fourth)] == ["keep", "drop", "keep", "drop"]


async def test_the_trace_shows_ratings_and_the_decision_before_them(run: Decided) -> None:
    await run.rate("--only", "curated", keys="kuq")
    (sample, _) = await run.ratings()
    words = [*run.words, "trace", sample.sample_id]
    told = (await asyncio.to_thread(CliRunner().invoke, main, words)).stdout
    assert "rated: keep" in told
    assert "rated: drop" in told
    assert "curated: " in told
    assert " = quality 0." in told
    assert "preference" not in told
    assert "\ndiversity" in told, "the lineage is that of the decided sample"


async def test_ratings_of_a_file_are_sent_and_unknown_ids_told(run: Decided, tmp_path: Path) -> None:
    file = tmp_path / "ratings.jsonl"
    rows = [{"id": SAMPLES[0].sample_id, "rating": "drop"}, {"id": SAMPLES[1].sample_id, "rating": "keep"}]
    file.write_bytes(
        b"\n".join(map(orjson.dumps, [*rows, rows[0] | {"rating": "keep"}, {"id": "f", "rating": "drop"}]))
    )
    found = await run.rate("--from", str(file), code=1)
    assert "2 ratings saved: 2 keep, 0 drop" in found.stdout
    assert "1 ids name no decided sample that can be rated: f" in found.stderr
    assert {s.sample_id: s.rating for s in await run.ratings()} == {s.sample_id: "keep" for s in SAMPLES[:2]}


@pytest.mark.parametrize("line", [b"nonsense", b'{"id": "a"}', b'{"id": "a", "rating": "good"}', b"[1]"])
def test_a_bad_line_of_a_file_is_told_before_a_broker_is_asked(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "ratings.jsonl"
    file.write_bytes(orjson.dumps({"id": SAMPLES[0].sample_id, "rating": "drop"}) + b"\n" + line)
    found = CliRunner().invoke(main, [f"--dir={tmp_path / 'run'}", "rate", "--from", str(file)])
    assert found.exit_code == 1
    assert f"{file}:2: needs" in found.stderr


async def test_a_killed_rating_keeps_all_that_it_said_was_saved(run: Decided) -> None:
    process = run.start(stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin
    assert process.stderr
    process.stdin.write(b"kd")
    process.stdin.flush()
    saved = 0
    while saved < 2:
        line = await asyncio.to_thread(process.stderr.readline)
        assert line, "it ended early"
        saved += line.startswith(b"saved: ")
    process.kill()
    await asyncio.to_thread(process.wait, 30)
    for pipe in (process.stdin, process.stderr):
        pipe.close()
    assert [sample.rating for sample in await run.ratings()] == ["keep", "drop"]


async def test_two_people_rate_at_once(run: Decided) -> None:
    people = [run.start("--count=20", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in "ab"]
    waiting = [asyncio.to_thread(each.communicate, key * 20) for each, key in zip(people, (b"k", b"d"), strict=True)]
    await asyncio.gather(*waiting)
    ratings = await run.ratings()
    assert [sample.rating for sample in ratings].count("keep") == 20
    assert len(ratings) == 40
    await decide(run.connection, run.settings, [])
    async with KafkaClient(run.connection) as client:
        assert (await ledger.take(client, run.settings.prefix)).balanced


async def test_on_a_terminal_keys_count_at_once_and_ctrl_c_ends_it(run: Decided) -> None:
    outside, inside = pty.openpty()
    process = run.start(stdin=inside, stdout=inside, stderr=inside, env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"})
    os.close(inside)
    told = b""
    for key, sign in ((b"k", b"keep (k)"), (b"\x03", b"saved: keep")):
        while sign not in told:
            told += await asyncio.wait_for(asyncio.to_thread(os.read, outside, 65536), 60)
        await asyncio.sleep(0.3)  # until it waits for a key
        os.write(outside, key)
    try:
        while chunk := await asyncio.to_thread(os.read, outside, 65536):
            told += chunk
    except OSError:  # the end of a pseudo-terminal
        pass
    assert await asyncio.to_thread(process.wait, 60) == 0
    os.close(outside)
    assert b"1 ratings saved: 1 keep, 0 drop" in told
    assert b"Traceback" not in told
    assert len(await run.ratings()) == 1


@pytest.fixture
async def stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A run that has decided about `SAMPLES` and has ended."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = deciding_settings(tmp_path / "run", "sift", warm_up=10)
    settings = replace(plain, llm=LlmSettings(url="http://127.0.0.1:1/v1"))
    async with running(settings, [], asyncio.Event(), print, stages=()) as connection:
        await decide(connection, settings, SAMPLES)
    return settings


async def test_ratings_of_a_stopped_run_wait_in_its_journal(stopped: Settings) -> None:
    command = [sys.executable, "-m", "streams.cli", f"--dir={stopped.dir}", "rate", "--json"]
    done = await asyncio.to_thread(
        subprocess.run, command, input=b"kdq", capture_output=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout) == {"keep": 1, "drop": 1, "skipped": 0, "unknown": []}
    assert b"the next `siftstream up` learns from them" in done.stderr
    assert not RunDir(stopped.dir).running()
    async with running(stopped, [], asyncio.Event(), print, stages=()) as connection:
        run = Decided(connection, stopped)
        assert [sample.rating for sample in await run.ratings()] == ["keep", "drop"]
        before = await run.standing()
        await decide(connection, stopped, [])
        assert await run.standing() == before
