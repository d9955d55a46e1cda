import dataclasses
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.llm import cache as cache_module
from processors.llm.cache import ResponseCache, request_key
from processors.llm.chat import ChatRequest, Completion
from processors.llm.config import EndpointConfig
from schemas import Message
from tests.paths import REPOSITORY

ENDPOINT = EndpointConfig(url="http://localhost:1/v1", model="m")
REQUEST = ChatRequest(messages=(Message(role="user", content="你好 🙂"),))
MIB = 1 << 20


def completion(text: str = "a reply") -> Completion:
    return Completion(
        text=text,
        finish_reason="stop",
        endpoint="strong",
        model="m-2026",
        tokens_in=5,
        tokens_out=7,
        cost_usd=0.25,
        seconds=1.5,
        reasoning="because 因为",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "llm" / "cache.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[ResponseCache]:
    cache = ResponseCache(path, MIB)
    yield cache
    cache.close()


def test_a_reply_comes_back_as_cached_and_for_nothing(path: Path, cache: ResponseCache) -> None:
    assert cache.get("k") is None
    cache.put("k", completion())
    expected = dataclasses.replace(completion(), cached=True, cost_usd=0.0)
    assert cache.get("k") == expected
    cache.close()
    later = ResponseCache(path, MIB)
    assert later.get("k") == expected
    assert later.get("other") is None
    later.close()


def test_the_last_reply_counts(cache: ResponseCache) -> None:
    cache.put("k", completion("old"))
    cache.put("k", completion("new"))
    found = cache.get("k")
    assert found is not None
    assert found.text == "new"


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message(role="user", content="other"),)},
        {"messages": (Message(role="system", content="你好 🙂"),)},
        {"messages": (Message(role="user", content="你好 🙂"), Message(role="assistant", content=""))},
        {"max_tokens": 513},
        {"temperature": 0.71},
        {"top_p": 0.9},
        {"stop": ("\n",)},
        {"seed": 1},
        {"json_schema": {"type": "object"}},
    ],
    ids=str,
)
def test_every_field_of_a_request_makes_it_another(change: dict[str, Any]) -> None:
    assert request_key(ENDPOINT, dataclasses.replace(REQUEST, **change)) != request_key(ENDPOINT, REQUEST)


def test_no_field_of_a_request_is_left_out() -> None:
    varied = {"messages", "max_tokens", "temperature", "top_p", "stop", "seed", "json_schema"}
    assert {field.name for field in dataclasses.fields(ChatRequest)} == varied


def test_where_a_request_goes_makes_it_another() -> None:
    key = request_key(ENDPOINT, REQUEST)
    assert request_key(dataclasses.replace(ENDPOINT, url="http://localhost:2/v1"), REQUEST) != key
    assert request_key(dataclasses.replace(ENDPOINT, model="n"), REQUEST) != key
    assert request_key(dataclasses.replace(ENDPOINT, url="http://localhost:1/v1/", total_s=9.0), REQUEST) == key


def test_a_key_stays_what_it_is() -> None:
    """If this value changes, every cache on disk is lost."""
    assert request_key(ENDPOINT, REQUEST) == "f51000819a3f29d5927c0bcd4b2b1967"


def used(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir() if file.name == path.name)


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 40_000), max_size=60))
def test_the_file_never_outgrows_its_bound(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    path = tmp_path_factory.mktemp("bound") / "cache.sqlite"
    cache = ResponseCache(path, 200_000)
    for i, size in enumerate(sizes):
        cache.put(str(i), completion("x" * size))
        assert cache.get(str(i)) is not None
    cache.close()
    assert not sizes or used(path) <= 200_000 + 50_000  # the reply that was last written on top


def test_the_longest_unused_goes_first(path: Path) -> None:
    cache = ResponseCache(path, 300_000)
    for i in range(20):
        cache.put(str(i), completion("x" * 20_000))
        cache.get("0")
    kept = [i for i in range(20) if cache.get(str(i))]
    assert kept == [0, *range(kept[1], 20)]
    assert 8 < len(kept) < 15
    cache.close()


def test_what_is_larger_than_the_cache_is_not_kept(path: Path) -> None:
    cache = ResponseCache(path, 100_000)
    cache.put("small", completion())
    cache.put("large", completion("x" * 100_000))
    assert cache.get("large") is None
    assert cache.get("small") is not None
    cache.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_a_broken_file_is_set_aside_with_a_warning(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database " * 1000)
    cache = ResponseCache(path, MIB)
    assert cache.get("k") is None
    cache.put("k", completion())
    assert cache.get("k") is not None
    assert path.with_name("cache.sqlite.aside-1").read_bytes() == b"no database " * 1000
    assert len(warnings(caplog)) == 1
    cache.close()


def test_a_file_that_breaks_later_is_set_aside(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = ResponseCache(path, MIB)
    for i in range(50):
        first.put(str(i), completion("x" * 1000))
    first.close()
    raw = path.read_bytes()
    path.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))
    cache, neighbour = ResponseCache(path, MIB), ResponseCache(path, MIB)
    assert neighbour.get("1") is None
    cache.put("new", completion())
    cache.put("new", completion())
    found = [cache.get("new"), neighbour.get("new")]
    assert all(found)
    assert len(list(path.parent.glob("*.aside-1"))) == 1
    cache.close()
    neighbour.close()


def test_one_that_still_holds_the_broken_file_leaves_the_new_one_alone(path: Path) -> None:
    """Two processes find the same broken file: the second must not set aside the new file of the first."""
    late = ResponseCache(path, MIB)
    late.put("k", completion())
    path.rename(path.with_name("cache.sqlite.aside-1"))
    fresh = ResponseCache(path, MIB)
    fresh.put("k", completion("fresh"))
    late._begin_anew()
    found = late.get("k")
    assert found is not None
    assert found.text == "fresh"
    assert not path.with_name("cache.sqlite.aside-2").exists()
    late.close()
    fresh.close()


def test_a_locked_file_is_a_miss_with_one_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cache_module, "_BUSY_S", 0.01)
    cache = ResponseCache(path, MIB)
    cache.put("k", completion())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert cache.get("k") is None
    cache.put("k", completion("new"))
    assert len(warnings(caplog)) == 1
    other.execute("ROLLBACK")
    assert cache.get("k") is not None
    other.close()
    cache.close()


def test_a_disk_that_is_full_is_a_miss_with_one_warning(
    path: Path, cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put("k", completion())
    cache._opened().execute("PRAGMA max_page_count = 8")  # SQLite's word for it is the same: database or disk is full
    for i in range(3):
        cache.put(str(i), completion("x" * 100_000))
        assert cache.get(str(i)) is None
    assert [text.count("disk is full") for text in warnings(caplog)] == [1]
    assert cache.get("k") is not None


def test_a_directory_that_cannot_be_made_is_a_miss(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = ResponseCache(tmp_path / "file" / "cache.sqlite", MIB)
    assert cache.get("k") is None
    cache.put("k", completion())
    assert len(warnings(caplog)) == 1


def test_a_reply_of_another_version_is_a_miss(path: Path, cache: ResponseCache) -> None:
    for key, reply in (("no json", b"{"), ("other fields", b'{"words": 1}'), ("no object", b"[]")):
        cache.put(key, completion())
        cache._opened().execute("UPDATE replies SET reply = ? WHERE key = ?", (reply, key))
        assert cache.get(key) is None
        cache.put(key, completion())
        assert cache.get(key) is not None


def test_what_json_cannot_hold_is_not_kept(cache: ResponseCache, caplog: pytest.LogCaptureFixture) -> None:
    cache.put("k", completion("half a sign \ud800"))
    assert cache.get("k") is None
    assert len(warnings(caplog)) == 1
    assert "half" not in caplog.text


def test_several_processes_at_once(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from processors.llm.cache import ResponseCache\n"
        "from tests.processors.llm.test_cache import completion\n"
        "cache = ResponseCache(Path(sys.argv[1]), 10_000_000)\n"
        "for i in range(200): cache.put(f'{sys.argv[2]}-{i}', completion())\n"
        "assert all(cache.get(f'{sys.argv[2]}-{i}') for i in range(200))\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    running = [subprocess.Popen([*command, str(i)], cwd=REPOSITORY, stderr=subprocess.PIPE) for i in range(3)]
    assert [(it.communicate(timeout=60)[1], it.returncode) for it in running] == [(b"", 0)] * 3
    cache = ResponseCache(path, 10_000_000)
    assert all(cache.get(f"{i}-{j}") for i in range(3) for j in range(200))
    cache.close()
