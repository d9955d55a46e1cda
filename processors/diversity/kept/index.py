"""All kept samples as one memory: is there one that asks the same?"""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.kept.cells import Cells
from processors.diversity.kept.copies import Request, ask_the_same
from processors.diversity.kept.store import Kept, KeptStore
from processors.diversity.space import Space
from processors.diversity.vectors import Vector, dots

Near = tuple[int, float]
"""The offset of a kept sample with a near vector, and the cosine with it."""

_CHECKED = 32
_READ = 8  # texts of the nearest: many near vectors of other texts are templates, and a copy is nearer than these
_GROWTH = 1.05
_BLOCK = 256  # offsets: enough for a search of many samples at once, few enough to compare each with all newer ones
_LAYOUT = 2


@dataclass(frozen=True, slots=True)
class Copy:
    """A kept sample that asks the same, and the cosine with it."""

    sample_id: str
    cosine: float


class KeptIndex:
    """Every kept sample stays comparable: about 44 bytes of memory each, the rest is in the store.

    Offsets are taken in blocks of 256. What was kept in earlier blocks lies in cells, and what was kept in the present
    one is compared one by one: so one search of the cells serves all samples of a block. The copies found depend only
    on the samples kept and their offsets: a replay, which gets its samples in other batches, finds the same.
    """

    def __init__(self, store: KeptStore, space: Space, near_duplicate: float) -> None:
        """Index all that is in `store`; reading 1,000,000 samples takes a minute, or seconds with a saved layout."""
        self._store = store
        self._space = space
        self._near_duplicate = near_duplicate
        self._cells: Cells | None = None
        self._newest: list[int] = []
        self._newest_vectors = np.zeros((0, 0), np.float32)
        self._joined = -1
        self._saved = 0
        self._read_store()

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the index."""
        return self._newest_vectors.nbytes + (self._cells.nbytes if self._cells is not None else 0)

    def add(self, kept: Kept, vector: Vector) -> None:
        """Remember a kept sample, whose unit vector in the space is `vector` (D,)."""
        self._store.add(kept)
        self._index(kept.offset, vector)

    def lookup(self, vectors: Vector, offsets: Sequence[int]) -> "Lookup":
        """Prepare to ask, in this order, for the samples near each of the unit `vectors` (N, D) at these offsets."""
        return Lookup(self, vectors, offsets)

    def copy_of(self, request: Request, near: Callable[[], list[Near]] | None) -> Copy | None:
        """Return a kept sample that asks the same, or None.

        The same text but for case, white space and punctuation; or one of those `near`, the nearest first, with a
        second witness (`ask_the_same`). Without `near`, only the text counts.
        """
        if exact := self._store.copy_of(request.key):
            return Copy(exact, 1.0)
        nearest = near()[:_READ] if near is not None else []
        for kept, (_, cosine) in zip(self._store.at([offset for offset, _ in nearest]), nearest, strict=True):
            if ask_the_same(request, Request(kept.request, kept.turn, kept.context)):
                return Copy(kept.sample_id, cosine)
        return None

    def advance(self, offset: int) -> None:
        """Let the samples of the blocks before that of `offset` join the cells."""
        if self._newest and self._newest[0] // _BLOCK < offset // _BLOCK:
            self._join()

    def near_joined(self, vectors: Vector) -> list[list[Near]]:
        """Return for each of the unit `vectors` (N, D) the near samples in the cells, in any order."""
        found = [offsets[:_CHECKED] for offsets in self._cells.search(vectors)] if self._cells is not None else []
        if not any(found):
            return [[] for _ in vectors]
        offsets, places = np.unique(np.concatenate(found).astype(np.int64), return_inverse=True)
        rows = np.arange(len(vectors)).repeat([len(each) for each in found])
        cosines = np.vecdot(self.vectors_at(offsets.tolist())[places], vectors[rows])
        near = cosines >= self._near_duplicate
        pairs: list[list[Near]] = [[] for _ in vectors]
        for row, offset, cosine in zip(rows[near], offsets[places[near]], cosines[near], strict=True):
            pairs[row].append((int(offset), min(float(cosine), 1.0)))
        return pairs

    def near_newest(self, vector: Vector) -> list[Near]:
        """Return those of the newest samples that are near the unit `vector` (D,), in any order."""
        if not self._newest:
            return []
        cosines = dots(self._newest_vectors[: len(self._newest)], vector)
        if cosines[cosines.argmax()] < self._near_duplicate:  # as almost always, and much faster than `max`
            return []
        near = (cosines >= self._near_duplicate).nonzero()[0].tolist()
        return [(self._newest[place], min(float(cosines[place]), 1.0)) for place in near]

    def vectors_at(self, offsets: Sequence[int]) -> Vector:
        """Return the unit vectors (N, D) of the samples kept at `offsets`. Raises KeyError as `KeptStore.at`."""
        languages, vectors = zip(*self._store.vectors_at(offsets), strict=True)
        rows = np.frombuffer(b"".join(vectors), "<f2").reshape(len(vectors), -1).astype(np.float32)
        return self._space.place_all(rows, languages)

    def each(self) -> Iterator[tuple[int, Vector]]:
        """Yield the offset and the unit vector (D,) of every kept sample, in the order of the offsets."""
        return ((kept.offset, self._vector(kept)) for kept in self._store.after(-1))

    def _vector(self, kept: Kept) -> Vector:
        return self._space.place(np.frombuffer(kept.vector, "<f2").astype(np.float32), kept.language)

    def _index(self, offset: int, vector: Vector) -> None:
        self.advance(offset)
        if not len(self._newest_vectors):
            self._newest_vectors = np.zeros((_BLOCK, len(vector)), np.float32)
        self._newest_vectors[len(self._newest)] = vector
        self._newest.append(offset)

    def _join(self) -> None:
        if self._cells is None:
            self._cells = Cells(self._newest_vectors.shape[1], self._near_duplicate, self.vectors_at)
        self._cells.add(np.array(self._newest), self._newest_vectors[: len(self._newest)])
        self._joined = self._newest[-1]
        self._newest = []

    def _read_store(self) -> None:
        self._load_layout()
        for kept in self._store.after(self._joined):
            self._index(kept.offset, self._vector(kept))

    def save(self) -> None:
        """Commit the store; if it has grown by a twentieth, save how the index is arranged: a start is then quick."""
        self._store.flush()
        if self._cells is None or self._cells.count < self._saved * _GROWTH:
            return
        raw = io.BytesIO()
        state = self._cells.state() | self._space.state()
        np.savez(raw, allow_pickle=False, version=_LAYOUT, near=self._near_duplicate, **state)
        self._store.save_layout(self._joined, raw.getvalue())
        self._saved = self._cells.count

    def _load_layout(self) -> None:
        """Take over the newest layout if it was made by this version, in this space and for this threshold."""
        for offset, raw in self._store.layouts():
            with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
                state = dict(archive)
            means = {name: array for name, array in state.items() if name.startswith("mean_")}
            made_for = float(state["near"]) == self._near_duplicate and int(state.get("version", 1)) == _LAYOUT
            if made_for and _equal(means, self._space.state()):
                self._cells = Cells(state["centres"].shape[1], self._near_duplicate, self.vectors_at)
                self._cells.load(state)
                self._joined, self._saved = offset, self._cells.count
                return


class Lookup:
    """The samples near each of many vectors, asked for in order while the index grows.

    The cells are searched once for all vectors of a block. `near` returns what a search at that moment finds.
    """

    def __init__(self, index: KeptIndex, vectors: Vector, offsets: Sequence[int]) -> None:
        self.vectors = vectors
        self._index = index
        self._blocks = [offset // _BLOCK for offset in offsets]
        self._first, self._found = 0, list[list[Near]]()

    def near(self, row: int) -> list[Near]:
        """Return the samples kept so far that are near the vector in this row, the nearest first."""
        if row >= self._first + len(self._found):
            self._search(row)
        near = self._found[row - self._first] + self._index.near_newest(self.vectors[row])
        return sorted(near, key=lambda pair: (-pair[1], pair[0])) if len(near) > 1 else near

    def _search(self, row: int) -> None:
        """Search for all vectors from `row` on that are of its block."""
        block = self._blocks[row]
        self._index.advance(block * _BLOCK)
        self._first, after = row, bisect_right(self._blocks, block, lo=row)
        self._found = self._index.near_joined(self.vectors[row:after])


def _equal(arrays: Mapping[str, NDArray[Any]], others: Mapping[str, NDArray[Any]]) -> bool:
    return arrays.keys() == others.keys() and all(np.array_equal(array, others[key]) for key, array in arrays.items())
