"""A search for near vectors among all that were ever added, at about 44 bytes of memory each.

An inverted file with binary residuals: every vector lies in the cell of its nearest centre, as 256 bits that say on
which sides of 256 hyperplanes its difference from the centre lies. Two differences at an angle of a radians differ in
each bit with probability a/π (Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002). Taking
codes of the difference, not of the vector, is the idea of RaBitQ (arXiv 2405.12497): inside a cell, all vectors are
alike, and only their differences tell them apart.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.kept.pages import Codes, Numbers, PagedCell, Pages
from processors.diversity.vectors import Vector, dots

VectorsAt = Callable[[list[int]], Vector]
"""Returns the unit vectors (N, D) that were added under these numbers."""

_BITS = 256
_WORD = 64
_FULL = 512
_SHARE = 128
_VISITED = 16
_NEIGHBOURS = 64
_STEPS = 100
_BLOCK = 16  # searches at once
_DEVIATIONS = 3.5  # of the binomial distribution: one near pair in 4,000 differs in more bits


class Cells:
    """Numbered unit vectors in cells of neighbours; a search visits the 16 cells nearest to a vector.

    A cell with more than 512 vectors, and more than a 128th of all, is divided in two. What a search finds depends only
    on the additions and their order: a centre moves only when its cell is divided, and nothing is random.
    """

    def __init__(self, dims: int, near: float, vectors_at: VectorsAt) -> None:
        """`near` is the cosine from which vectors are near."""
        self._most_bits = _most_bits(near)
        signs = np.random.RandomState(0).randint(0, 2, (_BITS, dims))  # RandomState: numpy has frozen its stream
        self._planes = (2 * signs - 1).astype(np.float32)
        self._vectors_at = vectors_at
        self._centres = np.zeros((0, dims), np.float32)
        self._shadows = np.zeros((0, _BITS), np.float32)  # the centres' products with the planes
        self._cells: list[PagedCell] = []
        self._pages = Pages(_BITS // _WORD)
        self.count = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory of all arrays, unused room included."""
        return self._pages.nbytes + self._planes.nbytes + self._centres.nbytes + self._shadows.nbytes

    def add(self, numbers: Numbers, vectors: Vector) -> None:
        """Add unit `vectors` (N, D), at least one, under `numbers` (N,), 0 or more, that were not used before."""
        if not self._cells:
            self._place(0, vectors[0], _FULL)
        self._distribute(numbers, vectors, np.arange(len(self._cells)))
        self.count += len(numbers)
        for place, cell in enumerate(self._cells.copy()):
            if cell.length > max(cell.limit, self.count // _SHARE):
                self._divide(place)

    def search(self, vectors: Vector) -> Iterator[list[int]]:
        """Yield for each of the unit `vectors` (N, D) the numbers of probably near ones, the likeliest first.

        About one near vector in 100 is missed; the caller computes the cosines of those found.
        """
        for first in range(0, len(vectors), _BLOCK):
            block = vectors[first : first + _BLOCK]
            rows, numbers = self._search(block) if self._cells else (np.zeros(0, np.int64), np.zeros(0, np.int64))
            yield from (part.tolist() for part in np.split(numbers, np.searchsorted(rows, np.arange(1, len(block)))))

    def _search(self, vectors: Vector) -> tuple[Numbers, Numbers]:
        """Return pairs of a row of `vectors` and a number (M,), by row and likelihood."""
        cosines = np.vecdot(vectors[:, None], self._centres)
        places = _largest(cosines, _VISITED)
        cosines = np.take_along_axis(cosines, places, axis=1)
        products = np.vecdot(vectors[:, None], self._planes)
        codes = self._codes(products[:, None], places, cosines[:, :, None])
        most = self._most_bits[(np.abs(cosines) * _STEPS).astype(np.int64)]
        visits = [self._cells[place] for place in places.ravel().tolist()]
        visit, numbers, bits = self._pages.near(visits, codes.reshape(len(visits), -1), most.reshape(-1, 2))
        rows = visit // places.shape[1]
        order = np.lexsort((numbers, bits, rows))
        return rows[order], numbers[order]

    def _codes(self, products: Vector, places: Numbers, cosines: Vector) -> Codes:
        """Return the codes (…, 4) in the cells `places` of vectors with these products with the planes."""
        return np.packbits(products > cosines * self._shadows.take(places, axis=0), axis=-1).view(np.uint64)

    def _place(self, place: int, centre: Vector, limit: int) -> None:
        """Put an empty cell and its centre at `place`, which is in use or the next free one."""
        shadow = dots(self._planes, centre)
        if place == len(self._cells):
            self._cells.append(PagedCell(limit))
            self._centres = np.concatenate([self._centres, centre[None]])
            self._shadows = np.concatenate([self._shadows, shadow[None]])
        self._pages.empty(self._cells[place])
        self._centres[place], self._shadows[place] = centre, shadow

    def _divide(self, place: int) -> None:
        """Divide a cell by the means of its halves, along the line from one vector to the farthest from it."""
        cell = self._cells[place]
        numbers = self._pages.numbers(cell)
        vectors = self._vectors_at(numbers.tolist())
        along = dots(vectors, vectors[int(dots(vectors, vectors[0]).argmin())] - vectors[0])
        half = along > np.median(along)
        if not half.any():  # all about equal: no division helps
            cell.limit *= 2
            return
        lower, upper = _mean(vectors[~half]), _mean(vectors[half])
        self._place(place, lower, cell.limit)
        self._place(len(self._cells), upper, cell.limit)
        self._distribute(numbers, vectors, _largest(dots(self._centres, lower), _NEIGHBOURS))

    def _distribute(self, numbers: Numbers, vectors: Vector, places: Numbers) -> None:
        """Add each vector to the cell of its nearest centre among `places`: not all stay between the two halves."""
        cosines = np.vecdot(vectors[:, None], self._centres[places])
        nearest = cosines.argmax(axis=1)
        chosen = places[nearest]
        codes = self._codes(
            np.vecdot(vectors[:, None], self._planes), chosen, np.take_along_axis(cosines, nearest[:, None], axis=1)
        )
        for place in np.unique(chosen).tolist():
            self._pages.extend(self._cells[place], numbers[chosen == place], codes[chosen == place])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything as plain arrays."""
        cells = self._cells or [PagedCell(_FULL)]
        return {
            "centres": self._centres,
            "shadows": self._shadows,
            "limits": np.array([cell.limit for cell in self._cells], np.int64),
            "lengths": np.array([cell.length for cell in self._cells], np.int64),
            "numbers": np.concatenate([self._pages.numbers(cell) for cell in cells]),
            "codes": np.concatenate([self._pages.codes(cell) for cell in cells]),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything by a `state`."""
        self._centres, self._shadows = state["centres"].copy(), state["shadows"].copy()
        self._cells = [PagedCell(int(limit)) for limit in state["limits"]]
        self._pages = Pages(_BITS // _WORD)
        ends = np.cumsum(state["lengths"])[:-1]
        parts = zip(self._cells, np.split(state["numbers"], ends), np.split(state["codes"], ends), strict=True)
        for cell, numbers, codes in parts:
            self._pages.extend(cell, numbers, codes)
        self.count = len(state["numbers"])


def _largest(values: Vector, count: int) -> Numbers:
    """Return the places (…, count) of the largest `values` (…, N), or of all if there are fewer."""
    if values.shape[-1] <= count:
        return np.broadcast_to(np.arange(values.shape[-1]), values.shape)
    return values.argpartition(-count)[..., -count:]


def _most_bits(at_least: float) -> NDArray[np.uint8]:
    """Return the most bits, of 64 and of all, that differ between vectors whose cosine is `at_least`, shape (N, 2).

    Row i is for vectors whose cosine with their cell's centre is i / `_STEPS`. A near vector lies within the distance
    d = √(2 - 2·at_least); seen from the centre's direction, to which the vector has the distance r, that is an angle of
    asin(d/r) at most.
    """
    bits = np.array([_WORD, _BITS])
    r = np.sqrt(np.maximum(1.0 - (np.arange(_STEPS + 2) / _STEPS) ** 2, 1e-9))
    d = math.sqrt(max(0.0, 2.0 - 2.0 * at_least))
    share = np.where(d < r, np.arcsin(np.minimum(d / r, 1.0)) / math.pi, 1.0)[:, None]
    most = np.ceil(bits * share + _DEVIATIONS * np.sqrt(bits * share * (1.0 - share)))
    table: NDArray[np.uint8] = np.minimum(most, np.minimum(bits, 255)).astype(np.uint8)  # 256 has no byte
    return table


def _mean(vectors: Vector) -> Vector:
    mean = vectors.mean(axis=0)
    unit: Vector = mean / np.sqrt(np.vecdot(mean, mean))
    return unit
