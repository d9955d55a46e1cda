"""Rows from URLs: a real HTTP server on loopback, and fsspec's own memory filesystem."""

import functools
import gzip
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processors.ingestion import UnknownFormat, list_url, read_listing
from processors.remote_files import RemoteError, upload, without_secrets

ROWS = [{"instruction": f"问题 {i}", "output": "x" * 1000} for i in range(500)]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A folder on a server that sends no ranges, as many do."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def lines() -> bytes:
    import json

    return b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def test_lines_plain_and_gzipped_come_over_http(served: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines())
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines()))
    for name in ("a.jsonl?signature=secret", "b.jsonl.gz"):
        rows = list(read_listing(list_url(f"{served}/{name}")))
        assert [row.data for row in rows] == ROWS
        assert rows[0].source == name.partition("?")[0]


def test_a_missing_file_is_told_without_its_query(served: str) -> None:
    with pytest.raises(RemoteError, match=r"none\.jsonl: there is no such file") as caught:
        list_url(f"{served}/none.jsonl?signature=secret")
    assert "secret" not in str(caught.value)


def test_a_page_is_no_data(served: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>")
    with pytest.raises(UnknownFormat, match=r"page\.html"):
        list_url(f"{served}/page.html")


def test_a_folder_of_another_filesystem_is_read_with_parquet_and_arrow(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, data / "a.parquet")
    with pa.OSFile(str(data / "b.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "README.md").write_text("card")
    upload(tmp_path, "memory://bucket/set")
    listing = list_url("memory://bucket/set")
    assert [file.name for file in listing.files] == ["data/a.parquet", "data/b.arrow"]
    assert listing.skipped == (("README.md", "unsupported format"),)
    assert [row.data for row in read_listing(listing)] == ROWS * 2


def test_a_missing_package_and_an_unknown_scheme_say_so() -> None:
    with pytest.raises(RemoteError, match="nosuch"):
        list_url("nosuch://x/y.jsonl")
    if not _installed("s3fs"):
        with pytest.raises(RemoteError, match=r"s3fs.*siftstream\[remote\]"):
            list_url("s3://bucket/y.jsonl")


def _installed(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_secrets_are_left_out_of_a_url() -> None:
    assert without_secrets("https://user:pass@host/a/b.jsonl?sig=1#x") == "https://host/a/b.jsonl"
