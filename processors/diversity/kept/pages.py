"""Numbers and codes of many cells in one block of memory: a search reads whole pages, without a loop over cells."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Codes = NDArray[np.uint64]

_PAGE = 128
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

    @property
    def nbytes(self) -> int:
        """Bytes of memory, free pages included."""
        return self._numbers.nbytes + self._first.nbytes + self._rest.nbytes

    def add(self, cell: "PagedCell", number: int, code: Codes) -> None:
        """Append an entry with the code (W,) to `cell`."""
        row, place = divmod(cell.length, _PAGE)
        if row == len(cell.pages):
            cell.pages = np.append(cell.pages, self._take_page())
        page = cell.pages[row]
        self._numbers[page, place], self._first[page, place], self._rest[page, place] = number, code[0], code[1:]
        cell.length += 1

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

    def near(self, cells: Sequence["PagedCell"], codes: Codes, most: NDArray[np.uint8]) -> tuple[Numbers, Numbers]:
        """Return the numbers (M,) of entries whose codes differ in few bits, and in how many (M,).

        `codes` (C, W) has a code for each of the C cells; `most` (C, 2) the most bits that may differ, of the first
        word and of all.
        """
        pages = np.concatenate([cell.pages for cell in cells])
        of_page = np.arange(len(cells)).repeat([len(cell.pages) for cell in cells])
        scanned = np.bitwise_count(self._first.take(pages, axis=0) ^ codes[:, :1].take(of_page, axis=0))
        hits = (scanned <= most[:, :1].take(of_page, axis=0)).ravel().nonzero()[0]  # flat, bytes: ten times as fast
        rows = hits // _PAGE
        which, at = of_page.take(rows), pages.take(rows) * _PAGE + hits % _PAGE
        rest = self._rest.reshape(-1, self._rest.shape[2]).take(at, axis=0) ^ codes[:, 1:].take(which, axis=0)
        bits = scanned.ravel().take(hits) + sum(np.bitwise_count(rest).T)
        found = (bits <= most[:, 1].take(which)).nonzero()[0]
        numbers, bits = self._numbers.ravel().take(at[found]), bits[found]
        return numbers[numbers != _UNUSED], bits[numbers != _UNUSED]


class PagedCell:
    """The pages of one cell and the number of its entries; with more than `limit` of them it may be divided."""

    __slots__ = ("length", "limit", "pages")

    def __init__(self, limit: int) -> None:
        self.pages = np.zeros(0, np.int64)
        self.length = 0
        self.limit = limit
