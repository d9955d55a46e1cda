"""All kept samples as one memory: is there one that asks the same?"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.kept.cells import Cells
from processors.diversity.kept.copies import Request, ask_the_same
from processors.diversity.kept.store import Kept, KeptStore
from processors.diversity.space import Space
from processors.diversity.vectors import Vector, dots

_CHECKED = 32
_READ = 8  # texts of the nearest: many near vectors of other texts are templates, and a copy is nearer than these
_GROWTH = 1.05


@dataclass(frozen=True, slots=True)
class Copy:
    """A kept sample that asks the same, and the cosine with it."""

    sample_id: str
    cosine: float


class KeptIndex:
    """Every kept sample stays comparable: about 44 bytes of memory each, the rest is in the store.

    The copies that it finds depend only on the samples kept and their order, so a replay finds the same.
    """

    def __init__(self, store: KeptStore, space: Space, near_duplicate: float) -> None:
        """Index all that is in `store`; reading 1,000,000 samples takes a minute, or seconds with a saved layout."""
        self._store = store
        self._space = space
        self._near_duplicate = near_duplicate
        self._cells: Cells | None = None
        self._last = -1
        self._saved = 0
        self._read_store()

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the index."""
        return self._cells.nbytes if self._cells is not None else 0

    def add(self, kept: Kept, vector: Vector) -> None:
        """Remember a kept sample, whose unit vector in the space is `vector` (D,)."""
        self._store.add(kept)
        self._index(kept.offset, vector)

    def copy_of(self, request: Request, vector: Vector, *, readable: bool) -> Copy | None:
        """Return a kept sample that asks the same, or None.

        The same text but for case, white space and punctuation; or, if the embedder can read the text, a vector at
        least as near as `near_duplicate` and a second witness (`ask_the_same`).
        """
        if exact := self._store.copy_of(request.key):
            return Copy(exact, 1.0)
        if not readable or self._cells is None:
            return None
        near = self._near(self._cells.search(vector)[:_CHECKED], vector)[:_READ]
        for kept, (_, cosine) in zip(self._store.at([offset for offset, _ in near]), near, strict=True):
            if ask_the_same(request, Request(kept.request, kept.turn, kept.context)):
                return Copy(kept.sample_id, cosine)
        return None

    def _near(self, offsets: list[int], vector: Vector) -> list[tuple[int, float]]:
        """Return those of `offsets` at which a near vector was kept, with the cosines, the largest first."""
        if not offsets:
            return []
        cosines = [min(cosine, 1.0) for cosine in dots(self.vectors_at(offsets), vector).tolist()]
        near = [pair for pair in zip(offsets, cosines, strict=True) if pair[1] >= self._near_duplicate]
        return sorted(near, key=lambda pair: -pair[1])

    def vectors_at(self, offsets: list[int]) -> Vector:
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
        if self._cells is None:
            self._cells = Cells(len(vector), self._near_duplicate, self.vectors_at)
        self._cells.add(offset, vector)
        self._last = offset

    def _read_store(self) -> None:
        self._load_layout()
        for kept in self._store.after(self._last):
            self._index(kept.offset, self._vector(kept))

    def save(self) -> None:
        """Commit the store; if it has grown by a twentieth, save how the index is arranged: a start is then quick."""
        self._store.flush()
        if self._cells is None or self._cells.count < self._saved * _GROWTH:
            return
        raw = io.BytesIO()
        np.savez(raw, allow_pickle=False, near=self._near_duplicate, **self._cells.state(), **self._space.state())
        self._store.save_layout(self._last, raw.getvalue())
        self._saved = self._cells.count

    def _load_layout(self) -> None:
        """Take over the newest layout if it was made in this space and for this threshold."""
        for offset, raw in self._store.layouts():
            with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
                state = dict(archive)
            means = {name: array for name, array in state.items() if name.startswith("mean_")}
            if float(state["near"]) == self._near_duplicate and _equal(means, self._space.state()):
                self._cells = Cells(state["centres"].shape[1], self._near_duplicate, self.vectors_at)
                self._cells.load(state)
                self._last, self._saved = offset, self._cells.count
                return


def _equal(arrays: Mapping[str, NDArray[Any]], others: Mapping[str, NDArray[Any]]) -> bool:
    return arrays.keys() == others.keys() and all(np.array_equal(array, others[key]) for key, array in arrays.items())
