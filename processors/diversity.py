"""The diversity stage: one pure fold over scored samples that decides, for each, whether it is kept."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.clustering import StreamKMeans, Vector, norm
from processors.errors import InvalidSample
from processors.gates import failed_gate
from processors.keep_rule import KeepRule, KeepRuleConfig
from processors.kept import KeptRings
from processors.seen import SeenIds
from schemas import Decision, Embedding, Sample, Score, Step

RULE = "streaming_gain"
"""The name of the rule in `Decision.rule`."""

_FORMAT, _VERSION = "siftstream diversity", 1
_NORM_TOLERANCE = 0.01  # float16 moves the norm of a unit vector by less than 0.001


class SnapshotError(ValueError):
    """Bytes that are not a snapshot which this fold can go on from; the message says why."""


class Diversity:
    """Decides sample after sample, in the order of their offsets in a one-partition topic.

    A decision depends on the state and the sample alone: no clock, nothing random, no product whose bits depend on
    threads or batches. The same samples give the same decisions, byte for byte, also across a `snapshot` and a
    `restore` (on one kind of CPU, see `processors.clustering.dots`).

    What an earlier stage gave up (`Sample.fault`) is rejected with that reason: this fold alone ends a sample, so an
    id ends once however often stages repeat. Then come the gates, in this order: IFD undefined, code verification
    failed, IFD of 1 or more, near duplicate of a kept sample. What fails one is rejected and moves nothing: no cluster,
    window, or keep rate. The rest is learnt by the clusters, judged by `KeepRule`, and remembered as kept if it is.

    `offset` is the last input offset that was folded in, `decided_offset` the last at which a sample was decided (-1
    before the first): they differ where the last input was invalid or decided before.
    """

    def __init__(
        self, *, seen: SeenIds, config: KeepRuleConfig | None = None, clusters: StreamKMeans | None = None
    ) -> None:
        """Start empty: `clusters` holds at most its seeds, `seen` is empty or of this fold."""
        self._config = config or KeepRuleConfig()
        self._clusters = clusters if clusters is not None else StreamKMeans()
        self._rule = KeepRule(self._config, self._clusters.n_clusters)
        self._kept = KeptRings(self._clusters.n_clusters, self._config.ring_size)
        self._seen = seen
        self._model = ""
        self._params = {"keep_rate": self._config.keep_rate, "near_duplicate": self._config.near_duplicate}
        self.offset = -1
        self.decided_offset = -1

    def decide(self, sample: Sample, offset: int) -> Sample | None:
        """`sample` with its decision and one more lineage step, or None if its id was decided before.

        The step's time is that of the step before it: a clock would make a replayed decision differ in its bytes. It
        is empty for a sample without lineage.

        Raises InvalidSample where the score or the embedding is missing or useless; then nothing but `offset` moves.
        """
        self.offset = max(self.offset, offset)
        if self._seen.contains(sample.sample_id):
            return None
        decision = self._decision(sample, offset)
        self._seen.add(sample.sample_id, offset)
        self.decided_offset = offset
        at = sample.lineage[-1].at if sample.lineage else ""
        return sample.advance(Step(stage="diversity", at=at, params=dict(self._params)), decision=decision)

    def _decision(self, sample: Sample, offset: int) -> Decision:
        if sample.fault:
            return self._rejection(sample.fault, offset)
        if sample.score is None or sample.embedding is None:
            raise InvalidSample("a sample needs its score and its embedding before diversity decides")
        vector = self._vector(sample.embedding)
        reason = failed_gate(sample.score, sample.verification)
        if reason is not None:
            return self._rejection(reason, offset)
        return self._judge(sample.score, sample.embedding.model, vector, offset)

    def _vector(self, embedding: Embedding) -> Vector:
        if self._model and embedding.model != self._model:
            raise InvalidSample(
                f"an embedding of {embedding.model}; what was decided so far used {self._model}, and cosines between "
                "two models mean nothing: embed with that model, or start diversity anew"
            )
        if self._clusters.dims and embedding.dims != self._clusters.dims:
            raise InvalidSample(f"an embedding of {embedding.dims} dimensions, the clusters have {self._clusters.dims}")
        vector = np.frombuffer(embedding.raw(), "<f2").astype(np.float32)
        length = norm(vector)
        if not abs(length - 1.0) <= _NORM_TOLERANCE:  # NaN fails too
            raise InvalidSample(f"an embedding of norm {length:.4g}: a unit vector is needed")
        return vector

    def _judge(self, score: Score, model: str, vector: Vector, offset: int) -> Decision:
        near = np.argsort(-self._clusters.similarities(vector), kind="stable")[: self._config.neighbour_clusters]
        nearest = self._kept.nearest(near.tolist(), vector)
        if nearest is not None and nearest >= self._config.near_duplicate:
            return self._rejection("near_duplicate", offset, cluster=int(near[0]), nearest=nearest)
        self._model = model
        cluster = self._learn(vector)
        assert score.ifd is not None  # failed_gate saw to it
        centres = self._clusters.n_centres
        gain = self._rule.judge(cluster=cluster, ifd=score.ifd, nearest=nearest, n_centres=centres)
        if gain.kept:
            self._kept.add(cluster, vector)
        return Decision(
            outcome="curated" if gain.kept else "rejected",
            reason=gain.reason,
            rule=RULE,
            input_offset=offset,
            cluster=cluster,
            nearest=nearest,
            quality=gain.quality,
            novelty=gain.novelty,
            deficit=gain.deficit,
            gain=gain.total,
            threshold=gain.threshold,
            clusters=centres,
        )

    def _learn(self, vector: Vector) -> int:
        cluster = self._clusters.learn_predict(vector)
        if self._clusters.is_new(cluster):
            self._rule.forget(cluster)
            self._kept.clear(cluster)
        return cluster

    def _rejection(self, reason: str, offset: int, **found: Any) -> Decision:
        clusters = self._clusters.n_centres
        return Decision(outcome="rejected", reason=reason, rule=RULE, input_offset=offset, clusters=clusters, **found)

    def snapshot(self) -> bytes:
        """The whole state but the seen ids, as an npz archive without pickle: equal states give equal bytes."""
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "offset": self.offset,
            "decided_offset": self.decided_offset,
            "model": self._model,
            "n_clusters": self._clusters.n_clusters,
        }
        arrays = {f"{name}.{key}": array for name, part in self._parts() for key, array in part.state().items()}
        raw = io.BytesIO()
        np.savez(raw, allow_pickle=False, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        return raw.getvalue()

    @classmethod
    def restore(
        cls, raw: bytes, *, seen: SeenIds, config: KeepRuleConfig | None = None, clusters: StreamKMeans | None = None
    ) -> "Diversity":
        """The fold as it was at `snapshot`, with the same arguments as then; what `clusters` learnt is replaced.

        The caller has `seen` forget what was decided after `offset` and gives the inputs after `offset` again. Raises
        SnapshotError for bytes that are broken, of an unknown version, or of another number of clusters.
        """
        fold = cls(seen=seen, config=config, clusters=clusters)
        try:
            fold._load(_read(raw))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not a snapshot of the diversity stage: {error}") from None
        return fold

    def _load(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        header = json.loads(arrays["header"].tobytes())
        if (header["format"], header["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"format {header['format']!r}, version {header['version']!r}")
        if header["n_clusters"] != self._clusters.n_clusters:
            raise ValueError(f"it has n_clusters {header['n_clusters']}, now {self._clusters.n_clusters} is asked for")
        self.offset, self.decided_offset = int(header["offset"]), int(header["decided_offset"])
        self._model = header["model"]
        for name, part in self._parts():
            part.load({key.removeprefix(f"{name}."): arrays[key] for key in arrays if key.startswith(f"{name}.")})

    def _parts(self) -> Iterable[tuple[str, StreamKMeans | KeepRule | KeptRings]]:
        return (("clusters", self._clusters), ("rule", self._rule), ("kept", self._kept))


def _read(raw: bytes) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            return dict(archive)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(str(error)) from None
