"""Streams with planted duplicates, for `benchmarks/gate_recall.py`: synthetic topics of any length, and real rows."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processors.diversity.space import Space
from schemas import Answer, Embedding, Prompt, Sample, Score

Vectors = NDArray[np.float32]
DIMS, TOPICS = 384, 2_000
_BLOCK = 10_000
_SCORE = Score(
    ifd=0.5,
    nll_cond=None,
    nll_uncond=None,
    n_cond=8,
    n_uncond=8,
    convention="superfilter",
    template="plain",
    model="simulated",
    model_hash="",
    dtype="float32",
    flags=(),
)


class Stream(Protocol):
    """Originals by number: `vectors` (N, D) as embeddings carry them, and the space in which they are compared."""

    @property
    def vectors(self) -> NDArray[np.float16]: ...
    @property
    def space(self) -> Space: ...
    def language(self, number: int) -> str: ...
    def text(self, number: int) -> str: ...
    def edited(self, number: int) -> str:
        """Return the text of a duplicate: other words, the same request."""


class Topics:
    """Originals of 2,000 Zipf-distributed topics (exponent 1.2), at a cosine of about 0.78 from their topic's centre;
    two of one topic are at 0.61. Each text has words of its own.
    """

    def __init__(self, n: int, seed: int = 0) -> None:
        self.vectors = np.empty((n, DIMS), np.float16)
        self.space = Space({"": np.zeros(DIMS, np.float32)})  # moves nothing, and costs what a real one costs
        draw = np.random.default_rng(seed)
        centres = draw.standard_normal((TOPICS, DIMS), np.float32)
        share = np.arange(1, TOPICS + 1) ** -1.2
        for first in range(0, n, _BLOCK):
            block = self.vectors[first : first + _BLOCK]
            topics = draw.choice(TOPICS, size=len(block), p=share / share.sum())
            block[:] = unit(centres[topics] + 0.8 * draw.standard_normal((len(block), DIMS), np.float32))

    def language(self, number: int) -> str:
        return "en"

    def text(self, number: int) -> str:
        name = _name(number)
        return f"Tell me something about {name}a and {name}b, and explain how {name}c works in practice."

    def edited(self, number: int) -> str:
        name = _name(number)
        return f"Please tell me a bit about {name}a and {name}b, and explain how {name}c works."


@dataclass(frozen=True, slots=True)
class RealRows:
    """Real requests, each one line of text, in the language of its data set."""

    vectors: NDArray[np.float16]
    space: Space
    texts: Sequence[str]
    languages: Sequence[str]

    def language(self, number: int) -> str:
        return self.languages[number]

    def text(self, number: int) -> str:
        return self.texts[number]

    def edited(self, number: int) -> str:
        return f"请问：{self.texts[number]}" if self.languages[number] == "zh" else f"Please: {self.texts[number]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A sample that repeats the sample `original`, `lag` kept samples later, at this cosine in the space."""

    sample: Sample
    original: int
    lag: int
    cosine: float


def plant(
    stream: Stream, kept: NDArray[np.int64], count: int, cosines: tuple[float, float], seed: int
) -> list[Planted]:
    """Return duplicates of originals among `kept` (their numbers, in order): half at lags drawn uniformly, half by
    their logarithm.

    Cosines have a normal distribution whose mean and standard deviation are `cosines`, or are uniform between both if
    the second is the larger.
    """
    draw = np.random.default_rng(seed)
    uniform = draw.integers(1, len(kept) + 1, count)
    lags = np.where(
        draw.random(count) < 0.5, uniform, np.exp(draw.uniform(0, np.log(len(kept)), count)).astype(np.int64)
    )
    low, high = cosines
    drawn = draw.uniform(low, high, count) if low < high else np.clip(draw.normal(low, high, count), 0.9, 0.999)
    return [_plant(stream, int(kept[-lag]), int(lag), float(c), draw) for lag, c in zip(lags, drawn, strict=True)]


def _plant(stream: Stream, original: int, lag: int, cosine: float, draw: np.random.Generator) -> Planted:
    language = stream.language(original)
    vector = stream.space.place(stream.vectors[original].astype(np.float32), language)
    noise = draw.standard_normal(len(vector), np.float32)
    aside = unit(noise - (noise @ vector) * vector)
    raw = _embedded(stream.space, cosine * vector + np.sqrt(1.0 - cosine**2) * aside, language)
    planted = sample_of(f"{draw.bytes(16).hex()}", stream.edited(original), raw, language)
    return Planted(sample=planted, original=original, lag=lag, cosine=cosine)


def _embedded(space: Space, placed: Vectors, language: str) -> Vectors:
    """Return the unit vector that `space` places at `placed`."""
    mean = space.means.get(language, space.means.get("", np.zeros_like(placed)))
    along = float(mean @ placed)
    raw: Vectors = mean + np.float32(np.sqrt(along**2 + 1.0 - float(mean @ mean)) - along) * placed
    return raw


def original_sample(stream: Stream, number: int) -> Sample:
    """Return original `number` after scoring."""
    return sample_of(f"{number:032x}", stream.text(number), stream.vectors[number], stream.language(number))


def sample_of(sample_id: str, request: str | Prompt, vector: NDArray[np.floating], language: str) -> Sample:
    """Return a sample after scoring, with one and the same simulated score."""
    f16 = base64.b64encode(vector.astype("<f2").tobytes()).decode()
    return Sample(
        sample_id=sample_id,
        prompt=Prompt(instruction=request) if isinstance(request, str) else request,
        answer=Answer(text="(left out)"),
        language=language,
        embedding=Embedding(model="simulated", dims=len(vector), f16=f16),
        score=_SCORE,
    )


def unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def _name(number: int) -> str:
    """Return a word of its own for every number: other digits would be a witness against a copy."""
    letters = "x"
    while number:
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters
