"""A search for near vectors among all that were ever added, at about 44 bytes of memory each.

An inverted file with binary residuals: every vector lies in the cell of its nearest centre, as 256 bits that say on
which sides of 256 hyperplanes its difference from the centre lies. Two differences at an angle of a radians differ in
each bit with probability a/π (Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002). Taking
codes of the difference, not of the vector, is the idea of RaBitQ (arXiv 2405.12497): inside a cell, all vectors are
alike, and only their differences tell them apart.
"""

import math
from collections.abc import Callable, Mapping
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
_DEVIATIONS = 3.5  # of the binomial distribution: one near pair in 4,000 differs in more bits


class Cells:
    """Numbered unit vectors in cells of neighbours; a search visits the 16 cells nearest to a vector.

    A cell with more than 512 vectors, and more than a 128th of all, is divided in two. What a search finds depends only
    on the vectors added and their order: a centre moves only when its cell is divided, and nothing is random.
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
        self._looked: tuple[Vector, Vector, Vector] | None = None
        self.count = 0

    @property
    def nbytes(self) -> int:
        """Bytes of memory of all arrays, unused room included."""
        return self._pages.nbytes + self._planes.nbytes + self._centres.nbytes + self._shadows.nbytes

    def add(self, number: int, vector: Vector) -> None:
        """Add the unit `vector` (D,) under a number, 0 or more, that was not used before."""
        if not self._cells:
            self._place(0, vector, _FULL)
        cosines, product = self._look(vector)
        place = int(cosines.argmax())
        cell = self._cells[place]
        self._pages.add(cell, number, self._codes(product, place, cosines[place]))
        self.count += 1
        if cell.length > max(cell.limit, self.count // _SHARE):
            self._divide(place)

    def search(self, vector: Vector) -> list[int]:
        """Return the numbers of vectors that are probably near `vector` (D,), the likeliest first.

        About one near vector in 100 is missed; the caller computes the cosines of those found.
        """
        if not self._cells:
            return []
        cosines, product = self._look(vector)
        places = _largest(cosines, _VISITED)
        codes = self._codes(product, places, cosines[places, None])
        most = self._most_bits[(np.abs(cosines[places]) * _STEPS).astype(np.int64)]
        numbers, bits = self._pages.near([self._cells[place] for place in places.tolist()], codes, most)
        return [number for _, number in sorted(zip(bits.tolist(), numbers.tolist(), strict=True))]

    def _look(self, vector: Vector) -> tuple[Vector, Vector]:
        """Return the products of `vector` with the centres and the planes; a search is often followed by `add`."""
        if self._looked is None or self._looked[0] is not vector:
            self._looked = vector, dots(self._centres, vector), dots(self._planes, vector)
        return self._looked[1:]

    def _codes(self, product: Vector, places: Any, cosines: Any) -> Codes:
        """Return the codes (…, 4) in the cells `places` of a vector with this product with the planes."""
        return np.packbits(product > cosines * self._shadows.take(places, axis=0), axis=-1).view(np.uint64)

    def _place(self, place: int, centre: Vector, limit: int) -> None:
        """Put an empty cell and its centre at `place`, which is in use or the next free one."""
        shadow = dots(self._planes, centre)
        if place == len(self._cells):
            self._cells.append(PagedCell(limit))
            self._centres = np.concatenate([self._centres, centre[None]])
            self._shadows = np.concatenate([self._shadows, shadow[None]])
        self._pages.empty(self._cells[place])
        self._centres[place], self._shadows[place] = centre, shadow
        self._looked = None

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
        self._looked = None
        ends = np.cumsum(state["lengths"])[:-1]
        parts = zip(self._cells, np.split(state["numbers"], ends), np.split(state["codes"], ends), strict=True)
        for cell, numbers, codes in parts:
            self._pages.extend(cell, numbers, codes)
        self.count = len(state["numbers"])


def _largest(values: Vector, count: int) -> NDArray[np.int64]:
    if len(values) <= count:
        return np.arange(len(values))
    return values.argpartition(-count)[-count:]


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
