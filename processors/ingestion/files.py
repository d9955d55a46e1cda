"""The files of a path that hold rows, with their formats, and the files that are skipped, with the reason."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from processors.ingestion.formats import BY_SUFFIX, JSON, Format, TextFormat, supported
from processors.remote_files import RemoteFile, open_filesystem

_BOOKKEEPING = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "manifest.json"}


class UnknownFormat(ValueError):
    """The file's format is not supported; the message lists the supported ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file with rows: its path, the name shown to people, its format, its size in bytes."""

    path: Path | RemoteFile
    name: str
    format: Format
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
        return Listing(files=(_source_file(path, path.name, *_format(path)),))
    files, skipped = [], []
    for found in sorted(path.rglob("*")):
        name = found.relative_to(path)
        if found.is_dir():
            continue
        if reason := _reason_to_skip(name):
            skipped.append((name.as_posix(), reason))
            continue
        with suppress(FileNotFoundError):  # deleted since it was listed
            format, gzipped = _by_name(found)
            assert format is not None
            files.append(_source_file(found, name.as_posix(), format, gzipped))
    return Listing(files=tuple(files), skipped=tuple(skipped))


def list_url(url: str) -> Listing:
    """List the files to read behind `url`, as `list_files` does for a path. Raises RemoteError, an OSError."""
    filesystem, path = open_filesystem(url)
    single = urlsplit(url).scheme in ("http", "https") or not filesystem.isdir(path)
    if single:
        file = RemoteFile(filesystem, url, path)
        format, gzipped = _format(file)
        source = SourceFile(path=file, name=file.name, format=format, gzipped=gzipped, size=file.size())
        return Listing(files=(source,))
    files, skipped = [], []
    for found in sorted(filesystem.find(path)):
        name = PurePath(found.removeprefix(path).lstrip("/"))
        if reason := _reason_to_skip(name):
            skipped.append((name.as_posix(), reason))
            continue
        known, gzipped = _by_name(name)
        assert known is not None
        file = RemoteFile(filesystem, url, found)
        files.append(SourceFile(path=file, name=name.as_posix(), format=known, gzipped=gzipped, size=file.size()))
    return Listing(files=tuple(files), skipped=tuple(skipped))


def _reason_to_skip(name: PurePath) -> str:
    if any(part.startswith(".") for part in name.parts):
        return "hidden"
    if name.name in _BOOKKEEPING:
        return "bookkeeping of a data set"
    if name.name.startswith("cache-") and name.suffix == ".arrow":
        return "a cache of the datasets library"
    found, gzipped = _by_name(name)
    if not found or (gzipped and not isinstance(found, TextFormat)):
        return "unsupported format"
    return ""


def _by_name(name: PurePath) -> tuple[Format | None, bool]:
    plain = name.name.lower()
    gzipped = plain.endswith(".gz")
    return BY_SUFFIX.get(PurePath(plain.removesuffix(".gz")).suffix), gzipped


def _format(path: Path | RemoteFile) -> tuple[Format, bool]:
    found, gzipped = _by_name(PurePath(path.name))
    if found and (isinstance(found, TextFormat) or not gzipped):
        return found, gzipped
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"["):
        return JSON, False
    raise UnknownFormat(f"{path.name}: unsupported format; supported are {supported()}")


def _source_file(path: Path, name: str, format: Format, gzipped: bool) -> SourceFile:
    # Messages show the name, so it must be valid UTF-8.
    shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return SourceFile(path=path, name=shown, format=format, gzipped=gzipped, size=path.stat().st_size)
