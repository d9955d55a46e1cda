"""Exact search for copies: drawn samples against every kept one, by the criterion of the near-duplicate gate."""

from collections import defaultdict

import numpy as np

from processors.diversity.gates import is_readable
from processors.diversity.kept.copies import ask_the_same, request_of
from processors.diversity.space import Space
from processors.diversity.vectors import Vector, dots
from processors.embedding.vectors import vector_of
from processors.reports.copy_pairs import Pair, line_of
from schemas import Sample

_BLOCK = 256
_NONE: Vector = np.zeros(0, np.float32)
_ROUNDING = 1e-4  # of a matrix product, whose last bits are others than those of `dots`


class Placed:
    """A decided sample as the gate sees it; without an embedding, it has no `model` and an empty vector."""

    def __init__(self, sample: Sample, space: Space) -> None:
        assert sample.decision is not None
        found = sample.embedding
        self.sample_id = sample.sample_id
        self.offset = sample.decision.input_offset
        self.model = (found.model_hash or found.model) if found is not None else ""
        self.vector = space.place(vector_of(found), sample.language) if found is not None else _NONE
        self.request = request_of(sample.prompt)
        self.text = line_of(sample.prompt)


class Probe(Placed):
    """A drawn sample, and a kept one of which it is a copy, once that is found."""

    def __init__(self, sample: Sample, space: Space, near_duplicate: float) -> None:
        super().__init__(sample, space)
        params = sample.lineage[-1].params if sample.lineage else {}
        self.near = float(params.get("near_duplicate") or near_duplicate)  # the threshold by which it was decided
        self.readable = sample.embedding is not None and is_readable(sample.embedding)
        self.copy: Pair | None = None

    def meet(self, kept: Placed, cosine: float) -> None:
        """Remember `kept` as a copy if it was kept before."""
        if self.copy is None and kept.offset < self.offset:
            self.copy = Pair(
                sample_id=self.sample_id, of=kept.sample_id, cosine=cosine, text=self.text, kept_text=kept.text
            )

    def compare(self, kept: Placed) -> None:
        """Apply the gate's two witnesses."""
        if self.copy is not None or kept.offset >= self.offset:
            return
        cosine = float(dots(kept.vector[None], self.vector)[0])
        if cosine >= self.near and ask_the_same(self.request, kept.request):
            self.meet(kept, min(cosine, 1.0))


class ExactSearch:
    """Every probe against every kept sample: by equal requests, and by the cosines of all pairs of one model."""

    def __init__(self, probes: list[Probe]) -> None:
        """Search for copies of `probes`; `add` every kept sample, in any order."""
        self._probes = probes
        self._same: dict[bytes, list[Probe]] = defaultdict(list)
        readable: dict[str, list[Probe]] = defaultdict(list)
        for probe in probes:
            self._same[probe.request.key].append(probe)
            if probe.readable:
                readable[probe.model].append(probe)
        self._near = {model: _Near(group) for model, group in readable.items()}

    def add(self, kept: Placed) -> None:
        """Compare a kept sample, now or with the next ones."""
        for probe in self._same.get(kept.request.key, ()):
            probe.meet(kept, 1.0)
        if len(kept.vector) and (near := self._near.get(kept.model)):
            near.add(kept)

    def copies(self) -> list[Pair]:
        """Return one pair for every probe that asks the same as a sample kept before it."""
        for near in self._near.values():
            near.compare()
        return [probe.copy for probe in self._probes if probe.copy is not None]


class _Near:
    """The probes of one embedding model, against blocks of kept samples: one matrix product each."""

    def __init__(self, probes: list[Probe]) -> None:
        self._probes = probes
        self._vectors = np.stack([probe.vector for probe in probes])
        self._least = np.array([probe.near - _ROUNDING for probe in probes], np.float32)
        self._offsets = np.array([probe.offset for probe in probes])
        self._block: list[Placed] = []

    def add(self, kept: Placed) -> None:
        self._block.append(kept)
        if len(self._block) == _BLOCK:
            self.compare()

    def compare(self) -> None:
        if not self._block:
            return
        cosines = np.stack([kept.vector for kept in self._block]) @ self._vectors.T
        before = np.array([kept.offset for kept in self._block])[:, None] < self._offsets
        for place, probe in np.argwhere((cosines >= self._least) & before).tolist():
            self._probes[probe].compare(self._block[place])
        self._block = []
