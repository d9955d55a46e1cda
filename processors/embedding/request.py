"""The whole request as tokens of an embedder: the last user turn, the turns before it, and the system prompt.

Each of the three parts is embedded by itself, and the vectors are added with weights. In one text, the longest part
would decide: behind the same system prompt of 300 tokens, all questions would be near duplicates. What the vectors of a
model have in common is left out of the sum, because it alone would grow with every part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from processors.embedding.pooling import unit
from schemas import Prompt

_HISTORY = 1.0
_SYSTEM = 0.7
"""Weights against the last user turn's 1; a system prompt is often the same for a whole data set.

On the scale of `processors.diversity.calibration`, with multilingual-e5-small: "Continue." in two conversations is at
0.43, "Introduce yourself." behind two system prompts at 0.74, and two unrelated questions behind the same system prompt
at 0.35. A near duplicate begins at 0.89, a cluster of its own below 0.40.
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Texts of equal rank, oldest first, that are embedded as one; `weight` is that of its vector."""

    texts: tuple[str, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Request:
    """The token ids of each part, and the weights of the parts; `unknown` is the share of unknown tokens in [0, 1]."""

    rows: list[list[int]]
    weights: list[float]
    unknown: float


def parts(prompt: Prompt) -> Iterator[Part]:
    """Yield the parts of `prompt` that are there, the last user turn first."""
    yield Part((prompt.text(),), 1.0)
    if prompt.history:
        yield Part(tuple(turn.content for turn in prompt.history), _HISTORY)
    if prompt.system:
        yield Part((prompt.system,), _SYSTEM)


def joined(
    requests: Sequence[Request], vectors: NDArray[np.float32], common: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return the unit vectors of `requests` (N, D), given those of all their rows (R, D), in order.

    `common` (D,) is the mean vector of unrelated texts; it may be None if every request has one row.
    """
    found = np.empty((len(requests), vectors.shape[1]), np.float32)
    first = 0
    for index, request in enumerate(requests):
        mine = vectors[first : first + len(request.rows)]
        first += len(request.rows)
        found[index] = mine[0] if common is None or len(mine) == 1 else _sum(mine, request.weights, common)
    return found


def _sum(vectors: NDArray[np.float32], weights: list[float], common: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add what each vector has of its own; divided so that unrelated parts together weigh as much as one."""
    weight = np.array(weights, np.float32)
    return unit(common + weight @ (vectors - common) / np.sqrt(weight @ weight))


class RequestTokenizer:
    """Turns prompts into tokens by the ``tokenizer.json`` in `file`, with `prefix` before each part.

    A part longer than `longest` tokens keeps its newest texts, and of a single long text the head and the tail.
    """

    def __init__(self, file: Path, prefix: str, longest: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._prefix = prefix
        self._longest = longest
        self._own = len(self._tokenizer.encode("").ids)
        self._before = len(self._tokenizer.encode(prefix, add_special_tokens=False).ids)
        self._unknown = self._tokenizer.token_to_id(getattr(self._tokenizer.model, "unk_token", None) or "<unk>")

    def __call__(self, prompts: Sequence[Prompt]) -> list[Request]:
        """Return one request per prompt, in order."""
        all_parts = [list(parts(prompt)) for prompt in prompts]
        whole = iter(self._tokenizer.encode_batch([self._text(part.texts) for each in all_parts for part in each]))
        return [self._request(each, [next(whole) for _ in each]) for each in all_parts]

    def _request(self, of: list[Part], whole: list[Encoding]) -> Request:
        rows = [self._fitted(part, encoding) for part, encoding in zip(of, whole, strict=True)]
        tokens = sum(len(row) - self._own - self._before for row in rows)
        unknown = sum(row.count(self._unknown) for row in rows) if self._unknown is not None else 0
        return Request(rows, [part.weight for part in of], min(1.0, unknown / max(1, tokens)))

    def _fitted(self, part: Part, whole: Encoding) -> list[int]:
        if len(whole.ids) <= self._longest:
            return list(whole.ids)
        return self._cut(self._text(self._newest(part.texts)))

    def _newest(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the last of `texts` that fit together, at least one."""
        room = self._longest - self._own - self._before
        sizes = [len(each.ids) + 1 for each in self._tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        fitting = sum(total <= room for total in accumulate(reversed(sizes)))
        return texts[-max(1, fitting) :]

    def _cut(self, text: str) -> list[int]:
        """Return the tokens of `text`; of a long one the first half and the last half of the longest text."""
        head = self._tokenizer.encode(text, add_special_tokens=False)
        room = self._longest - self._own
        if len(head.ids) > room:
            tail = self._tokenizer.encode(text, add_special_tokens=False)
            head.truncate(room - room // 2)
            tail.truncate(room // 2, direction="left")
            head = Encoding.merge([head, tail], True)
        return list(self._tokenizer.post_process(head).ids)

    def _text(self, texts: Sequence[str]) -> str:
        return self._prefix + "\n".join(texts)
