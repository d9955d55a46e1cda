"""The diversity stage: one pure fold over scored samples that decides, for each, whether it is kept."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from processors.diversity.calibration import Calibration
from processors.diversity.clusterers import Clusterer, build, near_duplicate, nearest
from processors.diversity.config import DiversityConfig
from processors.diversity.examination import Examined, Passed, examine
from processors.diversity.fold_state import RANKED_BY_SCORER, Arrays, Header, SnapshotError, pack, unpack
from processors.diversity.gates import OTHER_ANSWER, is_readable
from processors.diversity.head.head import Head, label_of
from processors.diversity.kept.copies import Request, request_of
from processors.diversity.kept.index import KeptIndex
from processors.diversity.kept.rings import KeptRings
from processors.diversity.kept.store import Kept, KeptStore
from processors.diversity.rules.base import Candidate, KeepRule
from processors.diversity.rules.registry import make_rule
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space, space_of
from processors.diversity.vectors import Vector
from processors.embedding.vectors import vector_of
from processors.errors import InvalidSample
from processors.gates.registry import doubt
from schemas import Decision, Sample, Score, Step
from schemas.alternatives import spread

log = logging.getLogger(__name__)


class Diversity:
    """Decides sample after sample, in the order of their offsets in a one-partition topic.

    A decision depends only on the state and the sample: no clock, no randomness, no product whose bits depend on
    threads or batches. The same samples give the same decisions, byte for byte, also across a `snapshot` and a
    `restore` (on one kind of CPU, see `processors.diversity.vectors.dots`).

    If an earlier stage gave a sample up (`Sample.fault`), it is rejected with that reason: only this fold ends samples,
    so an id ends once even if stages repeat. Then come the gates, in this order: IFD undefined, code verification
    failed, the quality gates of `processors.gates`, IFD of 1 or more, near duplicate of any sample that was ever kept.
    A sample that fails one is rejected and changes no cluster, window or keep rate. All others are learnt by the
    clusters and judged by the rule; those kept are remembered.

    IFD values of different scorers (model weights, convention) are not compared: the rule ranks each scorer's apart, so
    that two scorers may take turns.

    A sample with a rating, or whose code was run, also teaches the head, whose addend the rule takes into account. A
    rating is sent with its sample, which was decided before: it teaches, and decides nothing.

    `offset` is the last input offset that was folded in, `decided_offset` the last at which a sample was decided (-1
    before the first): they differ if the last input was invalid or was decided before.
    """

    def __init__(
        self,
        *,
        seen: SeenIds,
        kept: KeptStore | None = None,
        config: DiversityConfig | None = None,
        clusters: Clusterer | None = None,
        rule: KeepRule | None = None,
        fitted: Calibration | None = None,
    ) -> None:
        """Start empty: `clusters` holds at most its seeds, `seen` and `kept` are empty or of this fold, `rule` has
        judged no sample.

        `clusters` and `rule` default to those that `config` names, `kept` to a store in memory. `fitted` is the
        calibration of the embedding model: without it, vectors are compared as they come.
        """
        self._config = config or DiversityConfig()
        self._clusters = clusters if clusters is not None else build(self._config, None)
        self._rule = rule if rule is not None else make_rule(self._config, self._clusters.n_clusters)
        self._rings = KeptRings(self._clusters.n_clusters, self._config.ring_size)
        self._seen = seen
        self._store = kept if kept is not None else KeptStore(":memory:")
        self._head = Head(self._config)
        self._space = fitted.space if fitted is not None else Space({})
        self._near_duplicate = near_duplicate(self._config, fitted)
        self._model = ""
        self._scorer = ""
        self._told = False
        self._params = {"keep_rate": self._config.keep_rate, "near_duplicate": self._near_duplicate}
        self.offset = -1
        self.decided_offset = -1

    @cached_property
    def _index(self) -> KeptIndex:
        """Built at first use: a fold that is restored has another space than a fresh one, and reading takes long."""
        return KeptIndex(self._store, self._space, self._near_duplicate)

    def decide(self, sample: Sample, offset: int) -> Sample | None:
        """Return `sample`, which has no alternatives, with its decision and one more lineage step, or None if its id
        was decided before.

        The step has the time of the step before it, or none for a sample without lineage: with a clock, a replayed
        decision would differ in its bytes.

        Raises InvalidSample if the score or the embedding is missing or unusable; then only `offset` changes.
        """
        (decided,) = self.decide_many([sample], [offset])
        if isinstance(decided, InvalidSample):
            raise decided
        return decided[0] if decided else None

    def decide_many(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[list[Sample] | InvalidSample]:
        """Return for every sample what `decide` would return or raise: the same at less cost, as one search of the
        kept samples serves many.

        A list holds the sample and its alternatives, each as a sample with a decision, without those decided before.
        Of several answers that pass the gates, the best is judged and the others are rejected.
        """
        answers = [spread(sample) for sample in samples]
        places = [offset for offset, each in zip(offsets, answers, strict=True) for _ in each]
        flat = [one for each in answers for one in each]
        examined = iter(examine(flat, places, self._space, self._index, self._config.gates))
        return [
            self._decide(each, offset, [next(examined) for _ in each])
            for each, offset in zip(answers, offsets, strict=True)
        ]

    def _decide(
        self, samples: Sequence[Sample], offset: int, examined: Sequence[Examined]
    ) -> list[Sample] | InvalidSample:
        self.offset = max(self.offset, offset)
        found = [self._fits(*each) for each in zip(samples, examined, strict=True)]
        if error := next((each for each in found if isinstance(each, InvalidSample)), None):
            return [] if all(self._seen.contains(sample.sample_id) for sample in samples) else error
        fresh: list[tuple[Sample, Examined]] = []
        for sample, each in zip(samples, found, strict=True):
            if self._seen.add(sample.sample_id, offset):
                fresh.append((sample, each))
            elif sample.rating:
                self.teach(sample, each)
        if fresh:
            self.decided_offset = offset
        best = self._best([(sample, each) for sample, each in fresh if isinstance(each, Passed)])
        decided = [self._ended(sample, self._decision(sample, each, offset, best)) for sample, each in fresh]
        for pair in fresh:
            self.teach(*pair)
        return decided

    def _best(self, passed: Sequence[tuple[Sample, Passed]]) -> str:
        """Return the id of the best answer that passed the gates; the first of equals, or "" if there is none."""
        if len(passed) < 2:
            return passed[0][0].sample_id if passed else ""
        return max(passed, key=lambda pair: self._rule.quality(self._candidate(pair[0])))[0].sample_id

    def _decision(self, sample: Sample, found: Examined, offset: int, best: str) -> Decision:
        if not isinstance(found, Passed):
            return self._rejection(str(found), offset)
        return self._judge(sample, found, offset) if sample.sample_id == best else self._rejection(OTHER_ANSWER, offset)

    def _ended(self, sample: Sample, decision: Decision) -> Sample:
        at = sample.lineage[-1].at if sample.lineage else ""
        return sample.advance(Step(stage="diversity", at=at, params=dict(self._params)), decision=decision)

    def teach(self, sample: Sample, found: Examined = "") -> None:
        """Teach the head the label of a sample, if it has one and a vector; `found` may save placing the vector."""
        label = label_of(sample)
        if label is None or sample.fault or sample.embedding is None:
            return
        if isinstance(found, Passed):
            vector = found.vector
        else:
            vector = self._space.place(vector_of(sample.embedding), sample.language)
        self._head.learn(sample, vector, label)

    def _fits(self, sample: Sample, found: Examined) -> Examined:
        """Return what was found, or an error if the present state cannot take the embedding."""
        embedding = sample.embedding
        if isinstance(found, InvalidSample) or embedding is None or sample.fault:
            return found
        if self._model and self._model not in (embedding.model_hash, embedding.model):
            return InvalidSample(
                f"an embedding of {embedding.model}, but earlier decisions used {self._model}, and cosines between two "
                "models mean nothing: embed with that model, or start diversity with an empty state"
            )
        if self._clusters.dims and embedding.dims != self._clusters.dims:
            return InvalidSample(
                f"an embedding of {embedding.dims} dimensions, the clusters have {self._clusters.dims}"
            )
        return found

    def _judge(self, sample: Sample, passed: Passed, offset: int) -> Decision:
        score, embedding, vector = sample.score, sample.embedding, passed.vector
        assert score is not None  # the examination has checked all three
        assert score.ifd is not None
        assert embedding is not None
        affinities = self._clusters.affinities(vector)
        near = nearest(affinities, self._config.neighbour_clusters)
        request = request_of(sample.prompt)
        if copy := self._index.copy_of(request, passed.near if is_readable(embedding) else None):
            cluster = near[0] if near else None
            return self._rejection(
                "near_duplicate", offset, cluster=cluster, nearest=copy.cosine, duplicate_of=copy.sample_id
            )
        self._model = embedding.model_hash or embedding.model
        self._note_scorer(_scorer(score))
        cluster = self._learn(vector, affinities)
        clusters = self._clusters.n_centres
        neighbour = self._rings.nearest(near, vector)
        candidate = self._candidate(sample, cluster, neighbour, clusters, preference=self._head.addend(sample, vector))
        verdict = self._rule.judge(candidate)
        if verdict.kept:
            self._rings.add(cluster, offset, vector)
            self._index.add(_kept(sample, request, offset), vector)
        return Decision(
            outcome="curated" if verdict.kept else "rejected",
            reason=verdict.reason,
            rule=self._rule.name,
            input_offset=offset,
            cluster=cluster,
            nearest=neighbour,
            quality=verdict.quality,
            novelty=verdict.novelty,
            deficit=verdict.deficit,
            preference=verdict.preference,
            gain=verdict.total,
            threshold=verdict.threshold,
            clusters=clusters,
        )

    def _candidate(
        self,
        sample: Sample,
        cluster: int = 0,
        nearest: float | None = None,
        clusters: int = 1,
        preference: float = 0.0,
    ) -> Candidate:
        assert sample.score is not None  # it passed the gates
        assert sample.score.ifd is not None
        return Candidate(
            cluster=cluster,
            ifd=sample.score.ifd,
            nearest=nearest,
            clusters=clusters,
            scorer=_scorer(sample.score),
            language=sample.language,
            task_type=sample.task_type,
            tokens=sample.score.n_cond,
            doubt=doubt(sample.score, self._config.gates),
            preference=preference,
        )

    def _note_scorer(self, scorer: str) -> None:
        if not self._told and self._scorer not in ("", scorer):  # two may take turns, sample by sample
            log.info("another scorer computes the IFD: its values are compared only with its own")
            self._told = True
        self._scorer = scorer

    def _learn(self, vector: Vector, affinities: Vector) -> int:
        cluster = self._clusters.learn_predict(vector, affinities)
        if self._clusters.is_new(cluster):
            self._rule.forget(cluster)
            self._rings.clear(cluster)
        return cluster

    def _rejection(self, reason: str, offset: int, **found: Any) -> Decision:
        return Decision(
            outcome="rejected",
            reason=reason,
            rule=self._rule.name,
            input_offset=offset,
            clusters=self._clusters.n_centres,
            **found,
        )

    def snapshot(self) -> bytes:
        """Return the whole state except the seen ids and the kept samples: equal states give equal bytes."""
        header = {
            "offset": self.offset,
            "decided_offset": self.decided_offset,
            "model": self._model,
            "scorer": self._scorer,
            "rule": self._rule.name,
            "clusterer": self._clusters.name,
            "n_clusters": self._clusters.n_clusters,
            "kept": self._store.count,
        }
        parts = {
            "clusters": self._clusters.state(),
            "rule": self._rule.state(),
            "kept": self._rings.state(),
            "space": self._space.state(),
            "head": self._head.state(),
        }
        return pack(header, parts)

    def save_kept(self) -> None:
        """Commit what was kept, so that a restart finds all of it up to a snapshot."""
        self._index.save()

    def relearn(self, model: str, offset: int, decided_offset: int) -> None:
        """Begin after `offset` with all that `kept` holds, whose vectors are of the embedding model `model`.

        Clusters and rings are learnt from the kept samples, in their order; the rule starts empty. For a fresh fold.
        """
        self._model, self.offset, self.decided_offset = model, offset, decided_offset
        for at, vector in self._index.each():
            self._rings.add(self._learn(vector, self._clusters.affinities(vector)), at, vector)

    def restore(self, raw: bytes) -> None:
        """Take over the state of a `snapshot`; this fold is fresh and was made with the same arguments.

        Before, the caller has `seen` and `kept` forget what came after the snapshot's `facts_of`, and refills them if
        they hold less. Afterwards it repeats the inputs after `offset`. A snapshot of an earlier version, or of fewer
        clusters than now, is accepted; if it has another rule, the rule starts empty, and clusters and kept vectors
        continue. Raises SnapshotError if the bytes are broken, of an unknown version, of more clusters or of the other
        clusterer; then discard this fold.
        """
        try:
            self._load(*unpack(raw))
        except (KeyError, TypeError, ValueError) as error:
            raise SnapshotError(f"not a snapshot from which this diversity stage can resume: {error}") from None

    def _load(self, header: Header, parts: Mapping[str, Arrays]) -> None:
        for key, now in (("clusterer", self._clusters.name), ("n_clusters", self._clusters.n_clusters)):
            if header[key] != now and (key == "clusterer" or header[key] > now):
                raise ValueError(f"its {key} is {header[key]}, the settings say {now}")
        self.offset, self.decided_offset = int(header["offset"]), int(header["decided_offset"])
        self._model, self._scorer = header["model"], header["scorer"]
        self._clusters.load(parts["clusters"])
        self._space = space_of(parts.get("space", {}))
        self._head.load(parts.get("head", {}))
        self._load_rings(parts["kept"])
        if header["rule"] != self._rule.name:
            log.warning("the rule was %s and is %s now: it starts empty", header["rule"], self._rule.name)
        elif header["version"] < RANKED_BY_SCORER:
            log.warning("an earlier version mixed the IFD values of scorers: the rule %s starts empty", self._rule.name)
        else:
            self._rule.load(parts["rule"])

    def _load_rings(self, state: Arrays) -> None:
        if "offsets" in state:
            self._rings.load(state, self._index.vectors_at, self._store.holds)
            return
        # Versions 1 and 2 had vectors and no offsets: each kept sample goes to the cluster that is nearest now.
        for offset, vector in self._index.each():
            self._rings.add(int(self._clusters.affinities(vector).argmax()), offset, vector)


def _scorer(score: Score) -> str:
    return f"{score.model_hash} {score.convention}"


def _kept(sample: Sample, request: Request, offset: int) -> Kept:
    assert sample.embedding is not None  # it was judged by it
    return Kept(
        offset=offset,
        sample_id=sample.sample_id,
        request=request.key,
        turn=request.turn,
        context=request.context,
        language=sample.language,
        vector=sample.embedding.raw(),
    )


def kept_of(sample: Sample) -> Kept | None:
    """Return what the store keeps of a decided sample, or None if it was rejected or lacks its embedding."""
    if sample.decision is None or sample.decision.outcome != "curated" or sample.embedding is None:
        return None
    return _kept(sample, request_of(sample.prompt), sample.decision.input_offset)
