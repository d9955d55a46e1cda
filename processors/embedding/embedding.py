"""Vectors of whole requests, for clustering and for finding near duplicates."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processors.embedding.request import RequestTokenizer, joined
from schemas import Prompt

_UNRELATED = (
    "How do I reset the password of my router?",
    "Write a short poem about the sea in winter.",
    "Solve for x: 3x + 7 = 22.",
    "Which vitamins are in carrots?",
    "Explain what a mutex is.",
    "Draft an email to my landlord about the broken heating.",
    "Name three painters of the Renaissance.",
    "Is this review positive or negative? The battery died after a day.",
    "用一句话解释什么是光合作用。",
    "给我推荐一个周末旅行的目的地。",
    "写一个计算阶乘的函数。",
    "这家公司去年的利润是多少？",
    "¿Cuál es la diferencia entre ser y estar?",
    "Traduis en anglais : il pleut depuis hier.",
    "Wie bereite ich mich auf ein Vorstellungsgespräch vor?",
    "この文章を三行で要約してください。",
)
"""Their mean is what all vectors of a model have in common; 16 texts and 64 other ones agree to a cosine of 0.99."""

_ANSWER_CHARS = 2000
"""An answer's beginning says what it is about; most of 512 tokens."""


class Model(Protocol):
    """A model of sentence embeddings: `forward` maps rows of token ids to unit vectors (R, D), float32, in order."""

    def forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Readings:
    """The unit vectors of N requests (N, D), float32, and the share of each one's tokens that the model does not know,
    in [0, 1] (N,).
    """

    vectors: NDArray[np.float32]
    unknown: NDArray[np.float32]


class Embedder:
    """Reads requests. `model_hash` tells embedders apart: cosines mean something only between vectors of one hash."""

    def __init__(self, model: Model, tokenizer: RequestTokenizer, model_hash: str) -> None:
        self.model_hash = model_hash
        self._model = model
        self._tokenizer = tokenizer

    def read(self, prompts: Sequence[Prompt]) -> Readings:
        """Embed each request as a whole: the last user turn, the turns before it, and the system prompt."""
        requests = self._tokenizer(prompts)
        vectors = self._model.forward([row for request in requests for row in request.rows])
        common = self._common if len(vectors) > len(requests) else None
        unknown = np.array([request.unknown for request in requests], np.float32)
        return Readings(joined(requests, vectors, common), unknown)

    def related(self, vectors: NDArray[np.float32], texts: Sequence[str]) -> list[float | None]:
        """Return how near each of `texts` is to the request whose vector is in `vectors` (N, D).

        That is their cosine without what all vectors have in common: about 0 if they are unrelated, None for an empty
        text.
        """
        found: list[float | None] = [None] * len(texts)
        full = [index for index, text in enumerate(texts) if text.strip()]
        if full:
            own = self.read([Prompt(instruction=texts[index][:_ANSWER_CHARS]) for index in full]).vectors - self._common
            asked = vectors[full] - self._common
            scale = np.linalg.norm(own, axis=1) * np.linalg.norm(asked, axis=1)
            for index, cosine in zip(full, (own * asked).sum(axis=1) / np.maximum(scale, 1e-9), strict=True):
                found[index] = float(cosine)
        return found

    @cached_property
    def _common(self) -> NDArray[np.float32]:
        """The mean vector (D,) of unrelated texts, computed at first use."""
        return np.asarray(self.read([Prompt(instruction=text) for text in _UNRELATED]).vectors.mean(axis=0))
