import gzip
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processors.ingestion import Reading, UnknownFormat, list_files, open_rows, read_stream, to_sample
from tests.paths import DATA

LINE = '{"instruction": "hi"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    (root / "data").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "data" / "b.jsonl").write_text(LINE * 2)
    (root / "data" / "a.csv").write_text("instruction\nhi\n")
    pq.write_table(pa.table({"instruction": ["hi"]}), root / "data" / "c.parquet")
    (root / "d.json.gz").write_bytes(gzip.compress(f"[{LINE}]".encode()))
    for name in (".git/x.jsonl", ".hidden.jsonl", "README.md", "dataset_info.json", "cache-1a.arrow", "a.parquet.gz"):
        (root / name).write_text(LINE)
    return root


def test_folder_is_read_in_order_and_tells_what_it_skips(folder: Path) -> None:
    listing = list_files(folder)
    assert [file.name for file in listing.files] == ["d.json.gz", "data/a.csv", "data/b.jsonl", "data/c.parquet"]
    assert dict(listing.skipped) == {
        ".git/x.jsonl": "hidden",
        ".hidden.jsonl": "hidden",
        "README.md": "unsupported format",
        "a.parquet.gz": "unsupported format",
        "cache-1a.arrow": "a cache of the datasets library",
        "dataset_info.json": "bookkeeping of a data set",
    }
    assert [row.data for row in open_rows(folder)] == [{"instruction": "hi"}] * 5


def test_bytes_told_add_up_to_the_size(folder: Path) -> None:
    steps: list[int] = []
    for _ in open_rows(folder, steps.append):
        pass
    assert sum(steps) == list_files(folder).size > 0


def test_missing_path_and_unknown_kind_are_told_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_rows(tmp_path / "none.jsonl")
    (tmp_path / "a.docx").write_text("text")
    with pytest.raises(UnknownFormat, match=r"a\.docx.*\.jsonl.*\.parquet"):
        open_rows(tmp_path / "a.docx")


@pytest.mark.parametrize("text", [LINE * 2, f"\n [{LINE},{LINE}]"])
def test_unknown_extension_is_known_by_its_first_character(tmp_path: Path, text: str) -> None:
    (tmp_path / "part-00000").write_text(text)
    assert [row.data for row in open_rows(tmp_path / "part-00000")] == [{"instruction": "hi"}] * 2


def test_damaged_gzip_gives_its_rows_up_to_the_damage_and_the_next_file_follows(tmp_path: Path) -> None:
    rng = random.Random(0)  # noise, which does not shrink, so that the damage lies far into the file
    lines = "".join(json.dumps({"instruction": str(rng.random())}) + "\n" for _ in range(50_000))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-400_000])
    (tmp_path / "b.jsonl").write_text(LINE)
    *rows, broken, last = open_rows(tmp_path)
    assert rows
    assert all(row.data for row in rows)
    assert (broken.source, broken.line) == ("a.jsonl.gz", 0)
    assert (last.source, last.data) == ("b.jsonl", {"instruction": "hi"})


def test_stream_gives_each_row_as_soon_as_it_comes() -> None:
    class Pipe(io.RawIOBase):
        """A pipe into which one line is written per read."""

        def __init__(self) -> None:
            self.reads = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self.reads += 1
            line = LINE.encode() if self.reads <= 3 else b""
            buffer[: len(line)] = line
            return len(line)

    pipe = Pipe()
    rows = read_stream(io.BufferedReader(pipe))
    assert (next(rows).line, pipe.reads) == (1, 1)
    assert [(row.source, row.line) for row in rows] == [("-", 2), ("-", 3)]


def records() -> Iterator[str]:
    for number in range(30_000):
        yield json.dumps({"instruction": f"question {number}", "output": "好 answer\n" * 160}, ensure_ascii=False)


@pytest.mark.parametrize("name", ["big.jsonl", "big.json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("w") as file:
        array = name.endswith(".json")
        file.write("[\n" if array else "")
        for number, record in enumerate(records()):
            file.write((",\n" if array and number else "") + record + ("" if array else "\n"))
        file.write("\n]\n" if array else "")
    assert (tmp_path / name).stat().st_size > 55_000_000
    tracemalloc.start()
    try:
        count = sum(1 for row in open_rows(tmp_path / name) if row.data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 30_000
    assert peak < 8_000_000


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "distinct", "answered"),
    [
        ("alpaca_en_1k.json", 999, 985, 999),
        ("alpaca_zh_1k.json", 1000, 992, 1000),
        ("code_alpaca_2k.json", 2017, 2017, 2015),
        ("self_instruct_seed_tasks.jsonl", 175, 175, 175),
    ],
)
def test_real_data_set_is_read_whole(name: str, count: int, distinct: int, answered: int) -> None:
    if not (DATA / name).is_file():
        pytest.skip("needs the real data sets of ../shared/data")
    samples = [to_sample(row, Reading(), lambda: datetime.now(UTC)) for row in open_rows(DATA / name)]
    assert len(samples) == count
    assert len({sample.sample_id for sample in samples}) == distinct
    assert sum(sample.answer is not None for sample in samples) == answered
    share = sum(sample.language == "zh" for sample in samples) / count
    assert share > 0.99 if "zh" in name else share == 0
