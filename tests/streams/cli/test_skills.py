"""`skills` and `synthesize` from outside."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir
from tests.paths import REPOSITORY
from tests.processors.llm.staged_server import StagedServer, Staging, staged
from tests.processors.test_skills import write
from tests.streams.sources.synthesizing import reply, task
from tests.streams.staged_work import arrived, make_topics, until


def call(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory, a cache and a width of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def test_the_library_is_listed_and_has_no_fault() -> None:
    listed = orjson.loads(call("skills", "list", "--json").stdout)
    assert len(listed) == 18
    (python,) = [kind for kind in listed if kind["name"] == "coding_python"]
    assert (python["code"], python["output"], python["checked"]) == (True, "code", True)
    assert (python["seeds"], python["languages"], python["generated"]) == (7, {"en": 4, "zh": 3}, None)
    assert "Compare alternatives" in call("skills", "list").stdout
    assert "18 task types, 126 seeds: no fault" in call("skills", "check").stdout


def test_a_folder_of_ones_own_joins_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "own", "juggling")
    monkeypatch.setenv("SIFT_SYNTHESIS_SKILLS", str(tmp_path / "own"))
    assert len(orjson.loads(call("skills", "list", "--json").stdout)) == 19
    assert [kind["name"] for kind in orjson.loads(call("skills", "list", tmp_path / "own", "--json").stdout)] == [
        "juggling"
    ]


def test_check_names_every_fault_with_file_and_key(tmp_path: Path) -> None:
    one = write(tmp_path / "own", "one", head='verfication = "x"')
    two = write(tmp_path / "own", "two", seeds=2)
    told = call("skills", "check", tmp_path / "own", code=1).output
    assert f"{one}: verfication: unknown key; did you mean verification?" in told
    assert f"{two}: seeds: fewer than 5" in told


@pytest.mark.parametrize("arguments", [(), ("--count", "3", "--continuous"), ("--count", "1", "--language", "english")])
def test_what_is_not_to_be_done_is_refused(arguments: tuple[str, ...]) -> None:
    call("synthesize", *arguments, code=2)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    """The command in a process of its own: it handles signals, which only a main thread can."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams.cli", *arguments), cwd=REPOSITORY, stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def announced(
    connection: Connection, prefix: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[StagedServer, list[str]]]:
    """A run as `up` announces it, with a staged endpoint; gives that and the options that name the run."""
    await make_topics(connection, prefix)
    async with staged() as (server, url):
        monkeypatch.setenv("SIFT_LLM_URL", url)
        with RunDir(directory).lock():
            RunDir(directory).announce(connection)
            yield server, [f"--dir={directory}", f"--prefix={prefix}"]


async def test_seeds_are_pushed_and_prompts_synthesized(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "own", "juggling", title="Juggle balls")
    async with announced(embedded, prefix, tmp_path / "run", monkeypatch) as (server, options):
        server.script.extend([reply(task(1)), reply("Sing!"), reply(task(2))])
        pushed = await asyncio.to_thread(call, *options, "skills", "push", tmp_path / "own")
        made = await started(*options, "synthesize", "--count=2", "--task-type=juggling", "--json")
        output, errors = await made.communicate()
        assert made.returncode == 0, errors
        listed = await asyncio.to_thread(call, *options, "skills", "list", tmp_path / "own", "--json")
    assert "5 seeds are in the pool" in pushed.stdout
    assert "Juggle balls" in server.requests[0][1]["messages"][0]["content"]
    document = orjson.loads(output)
    assert (document["accepted"], document["task_types"]["juggling"]["models"]) == (2, ["staged-1"])
    assert document["rejected"] == {"too_short": 1}
    assert orjson.loads(listed.stdout)[0]["generated"] == 2
    async with KafkaClient(embedded) as client:
        prompts = await arrived(client, prefix, "prompts")
    assert {sample.task_type for sample in prompts} == {"juggling"}
    assert len(prompts) == 2
    assert task(1).encode() not in errors


async def test_ctrl_c_keeps_what_is_there(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with announced(embedded, prefix, tmp_path / "run", monkeypatch) as (server, options):
        server.script.append(reply(task(1)))
        server.staging = Staging(latency_s=60.0)
        made = await started(*options, "synthesize", "--count=2")

        async def waits_for_the_second() -> bool:
            return len(server.requests) > 1

        await until(waits_for_the_second)
        made.send_signal(signal.SIGINT)
        output, errors = await made.communicate()
    assert made.returncode == 1
    assert b"1 prompts wait in" in output
    assert b"stopped at 1 of 2 prompts; they are kept" in errors
