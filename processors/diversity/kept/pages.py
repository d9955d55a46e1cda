"""Numbers and codes of many cells in one block of memory: a search reads whole pages, without a loop over cells."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Codes = NDArray[np.uint64]

_PAGE = 128
_SCANNED = 256  # pages at once: they stay in the processor's cache
_UNUSED = -1


class Pages:
    """Pages of 128 entries; an entry is a number (0 or more) and a code of W words of 64 bits.

    A cell's entries fill the pages of its list one after the other. At most an eighth of all pages is free, beside the
    last page of each cell.
    """

    def __init__(self, words: int) -> None:
        self._numbers: Numbers = np.zeros((0, _PAGE), np.int64)
        self._first: Codes = np.zeros((0, _PAGE), np.uint64)  # the words that every search reads, close together
        self._rest: Codes = np.zeros((0, _PAGE, words - 1), np.uint64)
        self._free: list[int] = []
        # Room for a scan, made once: taking it for each scan costs more time than the scan itself.
        self._room = tuple(np.zeros((_SCANNED, _PAGE), kind) for kind in (np.uint64, np.uint8, np.bool_))

    @property
    def nbytes(self) -> int:
        """Bytes of memory, free pages included."""
        return self._numbers.nbytes + self._first.nbytes + self._rest.nbytes

    def extend(self, cell: "PagedCell", numbers: Numbers, codes: Codes) -> None:
        """Append entries with the codes (N, W) to `cell`."""
        if not len(numbers):
            return
        end = cell.length + len(numbers)
        missing = -(-end // _PAGE) - len(cell.pages)
        cell.pages = np.append(cell.pages, [self._take_page() for _ in range(missing)]).astype(np.int64)
        rows, places = np.divmod(np.arange(cell.length, end), _PAGE)
        pages = cell.pages[rows]
        self._numbers[pages, places], self._first[pages, places] = numbers, codes[:, 0]
        self._rest[pages, places] = codes[:, 1:]
        cell.length = end

    def _take_page(self) -> int:
        if not self._free:
            pages = len(self._numbers)
            more = max(8, pages // 8)
            for name in ("_numbers", "_first", "_rest"):
                rows = getattr(self, name)
                setattr(self, name, np.concatenate([rows, np.zeros((more, *rows.shape[1:]), rows.dtype)]))
            self._numbers[pages:] = _UNUSED
            self._free = list(range(pages + more - 1, pages - 1, -1))
        return self._free.pop()

    def empty(self, cell: "PagedCell") -> None:
        """Remove all entries of `cell`."""
        self._numbers[cell.pages] = _UNUSED
        self._free += cell.pages.tolist()
        cell.pages, cell.length = cell.pages[:0], 0

    def numbers(self, cell: "PagedCell") -> Numbers:
        """Return the numbers (N,) of `cell`, in the order in which they were added."""
        return self._numbers[cell.pages].ravel()[: cell.length]

    def codes(self, cell: "PagedCell") -> Codes:
        """Return the codes (N, W) of `cell`, in the order in which they were added."""
        first, rest = self._first[cell.pages].reshape(-1, 1), self._rest[cell.pages]
        return np.concatenate([first, rest.reshape(len(first), -1)], axis=1)[: cell.length]

    def near(
        self, cells: Sequence["PagedCell"], codes: Codes, most: NDArray[np.uint8]
    ) -> tuple[Numbers, Numbers, NDArray[np.uint8]]:
        """Return entries whose codes differ in few bits: in which of the cells they lie (a place in `cells`, of which
        one may occur twice), their numbers, and how many bits differ, each (M,).

        `codes` (C, W) has a code for each of the C cells; `most` (C, 2) the most bits that may differ, of the first
        word and of all.
        """
        pages = np.concatenate([cell.pages for cell in cells])
        of_page = np.arange(len(cells)).repeat([len(cell.pages) for cell in cells])
        at, which, scanned = self._scan(pages, of_page, codes[:, :1], most[:, :1])
        rest = self._rest.reshape(-1, self._rest.shape[2]).take(at, axis=0) ^ codes[:, 1:].take(which, axis=0)
        bits = scanned + sum(np.bitwise_count(rest).T)
        found = (bits <= most[:, 1].take(which)).nonzero()[0]
        numbers = self._numbers.ravel().take(at[found])
        found, numbers = found[numbers != _UNUSED], numbers[numbers != _UNUSED]
        return which[found], numbers, bits[found]

    def _scan(
        self, pages: Numbers, of_page: Numbers, codes: Codes, most: NDArray[np.uint8]
    ) -> tuple[Numbers, Numbers, NDArray[np.uint8]]:
        """Return the places of entries whose first word differs in few bits, the cell of each, and how many bits."""
        found = []
        for first in range(0, len(pages), _SCANNED):
            part, of = pages[first : first + _SCANNED], of_page[first : first + _SCANNED]
            words, bits, few = (room[: len(part)] for room in self._room)
            np.take(self._first, part, axis=0, out=words, mode="clip")
            np.bitwise_xor(words, codes.take(of, axis=0), out=words)
            np.bitwise_count(words, out=bits)
            np.less_equal(bits, most.take(of, axis=0), out=few)
            hits = few.ravel().nonzero()[0]
            rows = hits // _PAGE
            found.append((part.take(rows) * _PAGE + hits % _PAGE, of.take(rows), bits.ravel().take(hits)))
        at, which, scanned = (np.concatenate(each) for each in zip(*found, strict=True))
        return at, which, scanned


class PagedCell:
    """The pages of one cell and the number of its entries; with more than `limit` of them it may be divided."""

    __slots__ = ("length", "limit", "pages")

    def __init__(self, limit: int) -> None:
        self.pages = np.zeros(0, np.int64)
        self.length = 0
        self.limit = limit
