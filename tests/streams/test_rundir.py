"""A command finds a run that was started in another terminal, and does not find one that has ended."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.kafka.connection import Connection
from streams.rundir import AlreadyRunning, NoBroker, RunDir, find
from streams.settings import BrokerSettings, Settings
from tests.paths import REPOSITORY

EMBEDDED = Connection(bootstrap="127.0.0.1:4242", embedded=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a cache for this test alone: the file that `announce` writes must not meet the tester's own runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_directory_is_taken_once_and_free_again_afterwards(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    assert not run.running()
    with run.lock():
        assert run.running()
        with pytest.raises(AlreadyRunning, match="--dir"):
            RunDir(tmp_path / "run").lock()
        RunDir(tmp_path / "other").lock().close()
    assert not run.running()
    run.lock().close()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path: Path) -> None:
    program = """
import pathlib, sys, time
from streams.rundir import RunDir
lock = RunDir(pathlib.Path(sys.argv[1])).lock()
print("locked", flush=True)
time.sleep(600)
"""
    run = RunDir(tmp_path / "run")
    command = [sys.executable, "-c", program, str(run.root)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        assert run.running()
        with pytest.raises(AlreadyRunning):
            run.lock()
        other.kill()
    assert not run.running()


def test_what_was_announced_is_found_in_its_directory(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
        assert find(Settings(dir=run.root)) == (run, EMBEDDED)


def test_it_is_found_from_another_directory_of_the_same_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RunDir(Path("run")).lock():
        RunDir(Path("run")).announce(EMBEDDED)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        found, connection = find(Settings())
        assert found.root == tmp_path / "run"
        assert connection == EMBEDDED


def test_a_user_with_another_cache_does_not_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other cache"))
        with pytest.raises(NoBroker):
            find(Settings(dir=tmp_path / "elsewhere"))


def test_the_run_in_the_named_directory_goes_before_the_latest(tmp_path: Path) -> None:
    here, latest = RunDir(tmp_path / "here"), RunDir(tmp_path / "latest")
    other = Connection(bootstrap="127.0.0.1:1717", embedded=True)
    with here.lock(), latest.lock():
        here.announce(EMBEDDED)
        latest.announce(other)
        assert find(Settings(dir=here.root)) == (here, EMBEDDED)
        assert find(Settings(dir=tmp_path / "elsewhere")) == (latest, other)


def test_a_broker_that_the_settings_name_goes_before_everything(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
        named = Settings(dir=run.root, broker=BrokerSettings(bootstrap="k:9092"))
        assert find(named) == (run, Connection(bootstrap="k:9092"))


def test_what_a_killed_run_left_behind_counts_for_nothing(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
    assert (run.root / "run.json").exists()
    with pytest.raises(NoBroker, match=r"siftstream up.*--broker HOST:PORT"):
        find(Settings(dir=run.root))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"'])
def test_a_damaged_announcement_counts_for_nothing(tmp_path: Path, cache: Path, content: bytes) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
        (run.root / "run.json").write_bytes(content)
        (cache / "siftstream" / "latest-run.json").write_bytes(content)
        with pytest.raises(NoBroker):
            find(Settings(dir=run.root))


def test_a_run_that_was_retracted_is_gone(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(EMBEDDED)
        run.retract()
        run.retract()
        with pytest.raises(NoBroker):
            find(Settings(dir=run.root))


def test_the_password_is_never_on_disk_and_comes_from_the_finders_settings(tmp_path: Path, cache: Path) -> None:
    kafka = Connection(
        bootstrap="k:9092", user="me", password="s3cret", mechanism="SCRAM-SHA-512", tls=True, ca=tmp_path / "ca.pem"
    )
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(kafka)
        for file in [path for place in (run.root, cache) for path in place.rglob("*") if path.is_file()]:
            assert b"s3cret" not in file.read_bytes()
        settings = Settings(dir=run.root, broker=BrokerSettings(password=SecretStr("s3cret")))
        assert find(settings) == (run, kafka)
        assert find(settings)[1].password == "s3cret"
        assert find(Settings(dir=run.root))[1].password == ""
