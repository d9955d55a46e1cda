"""Files behind URLs (``s3://``, ``gs://``, ``hf://``, ``https://``), read and written through fsspec."""

import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


class RemoteError(OSError):
    """A URL cannot be read or written; the message names it without credentials and query."""


def is_url(text: str) -> bool:
    """Return whether `text` is a URL and not a local path."""
    return bool(_URL.match(text))


def without_secrets(url: str) -> str:
    """Return the URL without user, password and query: signed URLs carry their signature there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec filesystem of `url`, and the path in it. Raises RemoteError if a package is missing."""
    scheme = urlsplit(url).scheme
    try:
        from fsspec.core import url_to_fs  # optional

        filesystem, path = url_to_fs(url)
    except ImportError as error:
        raise RemoteError(f"{scheme}:// needs a package: {error}; pip install 'siftstream[remote]' has it") from None
    except ValueError as error:
        raise RemoteError(f"{without_secrets(url)} cannot be opened: {error}") from None
    return filesystem, path


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a filesystem, with the methods of a Path that readers use."""

    filesystem: Any
    url: str
    path: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(urlsplit(self.path).path).name or "data"

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading. Raises RemoteError, and so do the reads of the file."""
        return io.BufferedReader(_Reads(self))

    def size(self) -> int:
        """Return its size in bytes; 0 if the server does not tell."""
        return int(_told(self, lambda: self.filesystem.info(self.path)).get("size") or 0)


class _Reads(io.RawIOBase):
    """A file of fsspec whose many kinds of errors are all a RemoteError."""

    def __init__(self, file: RemoteFile) -> None:
        self._remote = file
        self._file = _told(file, lambda: file.filesystem.open(file.path, "rb"))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True; a server that sends no ranges refuses at the first seek."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` with the next bytes."""
        data = _told(self._remote, lambda: self._file.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a place in the file."""
        _told(self._remote, lambda: self._file.seek(offset, whence))
        return self.tell()

    def tell(self) -> int:
        """Return the place in the file."""
        return int(self._file.tell())

    def close(self) -> None:
        """Close the file below."""
        if not self.closed:
            self._file.close()
        super().close()


def _told(file: RemoteFile, work: Any) -> Any:
    try:
        return work()
    except FileNotFoundError:
        raise RemoteError(f"{without_secrets(file.url)}: there is no such file") from None
    except Exception as error:  # every filesystem has its own
        why = str(error).replace(file.url, without_secrets(file.url)) or type(error).__name__
        raise RemoteError(f"{without_secrets(file.url)}: {why}") from None


def upload(folder: Path, url: str) -> None:
    """Copy the files of `folder` to `url`, data before manifest and card. Raises RemoteError."""
    filesystem, path = open_filesystem(url)
    files = sorted((found for found in folder.rglob("*") if found.is_file()), key=lambda found: found.parent == folder)
    for found in files:
        target = f"{path.rstrip('/')}/{found.relative_to(folder).as_posix()}"

        def put(source: str = str(found), target: str = target) -> None:
            filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(source, target)

        _told(RemoteFile(filesystem, url, target), put)
