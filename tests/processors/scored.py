"""Scored samples for the tests of the diversity stage, made from vectors without a model."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas import Answer, Embedding, Prompt, Sample, Score, Step

AT = "2026-01-01T00:00:00Z"


def unit(*coordinates: float) -> NDArray[np.float64]:
    """Return the unit vector in the direction of `coordinates`."""
    vector = np.array(coordinates, np.float64)
    return vector / np.linalg.norm(vector)


def embedding(vector: Sequence[float] | NDArray[Any], model: str = "minilm") -> Embedding:
    raw = np.asarray(vector, "<f2").tobytes()
    return Embedding(model=model, dims=len(vector), f16=base64.b64encode(raw).decode())


def score(ifd: float | None, *flags: str) -> Score:
    return Score(
        ifd=ifd,
        nll_cond=None,
        nll_uncond=None,
        n_cond=8,
        n_uncond=8,
        convention="superfiltering",
        template="alpaca",
        model="smollm2",
        model_hash="0",
        dtype="float32",
        flags=flags,
    )


def scored(number: int, vector: Sequence[float] | NDArray[Any], ifd: float | None = 0.5, **changes: Any) -> Sample:
    """Return sample `number`, whose instruction has the embedding `vector`; `changes` replace fields."""
    fields: dict[str, Any] = {
        "sample_id": f"{number:032x}",
        "prompt": Prompt(instruction=f"the question about {_word(number)}"),
        "answer": Answer(text="an answer"),
        "score": score(ifd),
        "embedding": embedding(vector),
        "lineage": (Step(stage="scoring", at=AT),),
    }
    return Sample(**(fields | changes))


def _word(number: int) -> str:
    """Return a word of its own for every number: numbers in prompts are a witness against a copy."""
    letters = ""
    while number:
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return f"x{letters}"


def topic_stream(
    n: int, *, topics: int = 40, dims: int = 64, seed: int = 0, duplicates: float = 0.2
) -> tuple[NDArray[np.int64], list[Sample]]:
    """Return `n` samples of Zipf-distributed topics (exponent 1.2), and the topic of each.

    A sample lies about 0.2 (cosine distance) from its topic's centre; the share `duplicates` are near copies of
    their topic's last original. IFD is simulated: topics differ in difficulty, samples within a topic too.
    """
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((topics, dims)) / np.sqrt(dims)
    share = np.arange(1, topics + 1) ** -1.2
    labels = draw.choice(topics, size=n, p=share / share.sum())
    difficulty = draw.uniform(0.4, 0.7, topics)
    originals = centres.copy()
    samples = []
    for number, topic in enumerate(labels):
        noise = draw.standard_normal(dims) / np.sqrt(dims)
        if draw.random() >= duplicates:
            originals[topic] = unit(*(centres[topic] + 0.8 * noise))
        vector = unit(*(originals[topic] + 0.1 * draw.standard_normal(dims) / np.sqrt(dims)))
        ifd = float(np.clip(difficulty[topic] + 0.15 * draw.standard_normal(), 0.05, 1.2))
        samples.append(scored(number, vector, ifd))
    return labels, samples
