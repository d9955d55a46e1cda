"""The files of a path that hold rows, with their formats, and the files that are skipped, with the reason."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
SUPPORTED = "JSON Lines (.jsonl, .ndjson), JSON (.json), .csv and .tsv, each also .gz; .parquet; .arrow"

_BOOKKEEPING = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "manifest.json"}


class UnknownFormat(ValueError):
    """The file's format is not supported; the message lists the supported ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file with rows: its path, the name shown to people, its format, its size in bytes."""

    path: Path
    name: str
    kind: str
    gzipped: bool
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The files with rows, ordered by name, and the name of every other file with the reason why it is skipped."""

    files: tuple[SourceFile, ...]
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files together: the total of a progress bar."""
        return sum(file.size for file in self.files)


def list_files(path: Path) -> Listing:
    """List the files to read for `path`: the file itself, or all readable files in the folder and its subfolders.

    Raises FileNotFoundError if nothing is there, and UnknownFormat if a single file has no known format. A folder is
    read as a Hugging Face data set: bookkeeping, caches, cards and hidden files are skipped.
    """
    if not path.is_dir():
        return Listing(files=(_source_file(path, path.name, *_kind(path)),))
    files, skipped = [], []
    for found in sorted(path.rglob("*")):
        name = found.relative_to(path)
        if found.is_dir():
            continue
        if reason := _reason_to_skip(name):
            skipped.append((name.as_posix(), reason))
            continue
        with suppress(FileNotFoundError):  # deleted since it was listed
            files.append(_source_file(found, name.as_posix(), *_kind_by_name(found)))
    return Listing(files=tuple(files), skipped=tuple(skipped))


def _reason_to_skip(name: PurePath) -> str:
    if any(part.startswith(".") for part in name.parts):
        return "hidden"
    if name.name in _BOOKKEEPING:
        return "bookkeeping of a data set"
    if name.name.startswith("cache-") and name.suffix == ".arrow":
        return "a cache of the datasets library"
    kind, gzipped = _kind_by_name(name)
    if not kind or (gzipped and kind in ("parquet", "arrow")):
        return "unsupported format"
    return ""


def _kind_by_name(name: PurePath) -> tuple[str, bool]:
    plain = name.name.lower()
    gzipped = plain.endswith(".gz")
    return KINDS.get(PurePath(plain.removesuffix(".gz")).suffix, ""), gzipped


def _kind(path: Path) -> tuple[str, bool]:
    kind, gzipped = _kind_by_name(path)
    if kind and not (gzipped and kind in ("parquet", "arrow")):
        return kind, gzipped
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"["):
        return "json", False
    raise UnknownFormat(f"{path.name}: unsupported format; supported are {SUPPORTED}")


def _source_file(path: Path, name: str, kind: str, gzipped: bool) -> SourceFile:
    # Messages show the name, so it must be valid UTF-8.
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return SourceFile(path=path, name=shown, kind=kind, gzipped=gzipped, size=path.stat().st_size)
