"""The scoring stage: samples in micro-batches get their IFD score and the embedding of their request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch

from processors.embedding.embedders import load_embedder
from processors.embedding.embedding import Embedder
from processors.embedding.vectors import to_message
from processors.errors import InvalidSample, ProcessorError
from processors.gates.pass_signals import pass_signals, rounded
from processors.gates.registry import text_signals
from processors.models.checkpoints import load_causal
from processors.scoring.config import ScoringConfig
from processors.scoring.conventions import CONVENTIONS, plain
from processors.scoring.ifd import IfdScorer, Prepared
from processors.scoring.measurement import Ifd
from processors.scoring.signals import SignalTracker
from processors.text.token_estimate import estimated_tokens
from schemas import Embedding, Sample, Score, Step
from schemas.lineage import timestamp


@dataclass(frozen=True, slots=True)
class Ready:
    """A sample, its tokens for the causal model, the embedding of its request (None if it cannot be scored), and the
    signals that need no pass of the model.
    """

    sample: Sample
    prepared: Prepared
    embedding: Embedding | None
    signals: Mapping[str, float]


class Scorer:
    """Gives each sample its `score`, its `embedding` and one more lineage step.

    It blocks, so the caller runs it off the event loop: `prepare` in one thread, `process` in another, each one call at
    a time. The IFD of a sample does not depend on its batch; its signals depend on the samples before it.
    """

    def __init__(
        self,
        config: ScoringConfig,
        ifd: IfdScorer,
        model_hash: str,
        embedder: Embedder,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._ifd = ifd
        self._model_hash = model_hash
        self._embedder = embedder
        self._clock = clock
        self._signals = SignalTracker()

    @classmethod
    def load(cls, config: ScoringConfig, cache: Path, clock: Callable[[], datetime]) -> "Scorer":
        """Load both models; `cache` is the folder of converted checkpoints. Raises ModelMissing.

        `config.threads` sets torch's number of threads for the whole process.
        """
        if config.threads:
            torch.set_num_threads(config.threads)
        checkpoint = load_causal(config.model, cache, dtype=getattr(torch, config.dtype), device=config.device)
        embedder = load_embedder(config.embedder, cache, config.threads, config.device)
        convention = CONVENTIONS[config.convention]
        ifd = IfdScorer(checkpoint, config.max_length, convention=convention, cascade=config.cascade)
        return cls(config, ifd, checkpoint.model_hash, embedder, clock)

    def cost(self, sample: Sample) -> int:
        """Estimate the tokens that the sample takes through the model, both passes; from lengths alone, at least 1."""
        answer = estimated_tokens(sample.answer.text) if sample.answer else 0
        both = estimated_tokens(plain(sample.prompt)) + answer
        return max(1, min(both, self._config.max_length) + min(answer, self._config.max_length))

    def prepare(self, samples: Sequence[Sample]) -> list[Ready]:
        """Tokenise the samples and embed their requests: the work that can be done while the causal model is busy."""
        prepared = [
            self._ifd.prepare(each.prompt, each.answer.text) if each.answer else InvalidSample("no answer to score")
            for each in samples
        ]
        good = [index for index, each in enumerate(prepared) if not isinstance(each, InvalidSample)]
        read = dict(zip(good, self._read([samples[index] for index in good]), strict=True))
        pairs = zip(samples, prepared, strict=True)
        return [Ready(sample, each, *read.get(index, (None, {}))) for index, (sample, each) in enumerate(pairs)]

    def _read(self, samples: Sequence[Sample]) -> list[tuple[Embedding, Mapping[str, float]]]:
        """Return the embedding of each request, and the signals of the texts of request and answer."""
        answers = [each.answer.text if each.answer else "" for each in samples]
        found = self._embedder.read([each.prompt for each in samples])
        related = self._embedder.related(found.vectors, answers)
        name, known_by = self._config.embedder, self._embedder.model_hash
        return [
            (
                to_message(found.vectors[index], name, known_by, float(found.unknown[index])),
                text_signals(sample, answers[index]) | rounded({"related": related[index]}),
            )
            for index, sample in enumerate(samples)
        ]

    def process(self, ready: Sequence[Ready]) -> list[Sample | ProcessorError]:
        """Return one result per sample, in order: the scored sample, or why it could not be scored."""
        began = self._clock()
        outcomes = self._ifd.measure([each.prepared for each in ready])
        at = self._clock()
        tokens = sum(outcome.tokens for outcome in outcomes if isinstance(outcome, Ifd))
        seconds_per_token = (at - began).total_seconds() / max(1, tokens)
        return [
            self._scored(each, outcome, at, seconds_per_token) if isinstance(outcome, Ifd) else outcome
            for each, outcome in zip(ready, outcomes, strict=True)
        ]

    def _scored(self, ready: Ready, ifd: Ifd, at: datetime, seconds_per_token: float) -> Sample:
        return ready.sample.advance(
            self._step(at, ifd.tokens, seconds_per_token),
            score=self._message(ifd, ready.signals),
            embedding=ready.embedding,
        )

    def _step(self, at: datetime, tokens: int, seconds_per_token: float) -> Step:
        """Build the lineage step; the time of the model's pass is divided by tokens."""
        return Step(
            stage="scoring",
            at=timestamp(at),
            seconds=tokens * seconds_per_token,
            model=self._config.model,
            params={
                "convention": self._ifd.convention.name,
                "template": self._ifd.convention.template,
                "max_length": self._config.max_length,
                "dtype": self._config.dtype,
                "cascade": self._config.cascade,
                "embedder": self._config.embedder,
            },
            tokens_in=tokens,
        )

    def _message(self, ifd: Ifd, of_texts: Mapping[str, float]) -> Score:
        signals = self._signals.observe(ifd)
        return Score(
            ifd=ifd.ifd,
            nll_cond=ifd.nll_cond,
            nll_uncond=ifd.nll_uncond,
            n_cond=ifd.n_cond,
            n_uncond=ifd.n_uncond,
            convention=self._ifd.convention.name,
            template=self._ifd.convention.template,
            model=self._config.model,
            model_hash=self._model_hash,
            dtype=ifd.dtype or self._config.dtype,
            flags=ifd.flags,
            uninformative=signals.uninformative,
            s_ifd=signals.s_ifd,
            length_percentile=signals.length_percentile,
            signals={**of_texts, **pass_signals(ifd.cond, ifd.gains, ifd.end)},
        )
