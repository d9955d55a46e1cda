"""IFD as Superfiltering computes it: how much the prompt helps a small model to predict the answer.

IFD(Q, A) = exp(s(A|Q) - s(A)), where s is the mean negative log-likelihood per answer token in nats: the ratio of two
perplexities (arXiv 2402.00530 and its code, after arXiv 2308.12032). Conditional pass: prompt and answer, all answer
tokens scored. Unconditional pass: the answer alone without BOS, so that its first token has no context and is not
scored.

Samples share forward passes (`packing`): Llama and Qwen2 run them packed (`packed_llama`), any other model one sequence
at a time. A score differs by less than 1e-5, relative, with the batch that its sample came in.

What is not a number is a flag, never an exception:

====================  ============================================  ==========================================
``empty_answer``      no text, or nothing but whitespace            `ifd` None, no pass
``prompt_too_long``   the prompt fills `max_length`                 `ifd` None, no pass
``one_token_answer``  unconditional mean over nothing               `ifd` None, `nll_cond` known
``truncated``         the end of the answer is beyond `max_length`  `ifd` of what fits
``nan``               the model gave something not finite           `ifd` None
====================  ============================================  ==========================================
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch

from processors.checkpoints import CausalCheckpoint
from processors.errors import InvalidSample, ProcessorError, Transient
from processors.packed_llama import PackedLlama, hooked, obstacle
from processors.packing import Forward, Segment, one_by_one, plan
from processors.tokens import PairTokenizer, TokenPair, render
from schemas import Prompt

log = logging.getLogger(__name__)

MAX_FORWARD_TOKENS = 1024
"""Tokens of one forward pass, both sequences of its samples together; a CPU is not faster with more."""

CONVENTION = "superfilter"
TEMPLATE = "plain"
"""``{instruction}\\n[{input}\\n]{answer}``: PROMPT_DICT_NONE of the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ifd:
    """One result. `n_cond` and `n_uncond` count scored tokens, `tokens` all that went through the model."""

    nll_cond: float | None = None
    nll_uncond: float | None = None
    n_cond: int = 0
    n_uncond: int = 0
    tokens: int = 0
    ifd: float | None = None
    flags: tuple[str, ...] = ()


class IfdScorer:
    """Scores prompts with answers by the causal model `checkpoint`.

    `max_length` is the longest sequence in tokens, prompt and answer together. Raises ValueError where the model's own
    context is shorter, since positions beyond it would give numbers without meaning.
    """

    def __init__(self, checkpoint: CausalCheckpoint, max_length: int) -> None:
        context = getattr(checkpoint.model.config, "max_position_embeddings", max_length)
        if not 2 <= max_length <= context:
            raise ValueError(f"max_length is {max_length}: {checkpoint.name} takes 2 to {context} tokens")
        self._model = checkpoint.model
        self._max_length = max_length
        self._tokenizer = PairTokenizer(checkpoint.tokenizer, max_length)
        self._packed: Forward | None = None
        if reason := obstacle(self._model):
            log.warning("%s is scored one sequence at a time, which is slower: %s", checkpoint.name, reason)
        else:
            self._packed = PackedLlama(self._model)

    def score(self, samples: Sequence[tuple[Prompt, str]]) -> list[Ifd | ProcessorError]:
        """One result per (prompt, answer), in order. What fails for one sample is that sample's error alone."""
        tokenized = [self._tokenize(prompt, answer) for prompt, answer in samples]
        pairs = [each for each in tokenized if isinstance(each, TokenPair)]
        costs = [len(pair.cond) + len(pair.uncond) for pair in pairs]
        forward = one_by_one(self._model) if self._packed is None or hooked(self._model) else self._packed
        with torch.inference_mode():
            batches = [_measure_all(forward, [pairs[i] for i in batch]) for batch in plan(costs, MAX_FORWARD_TOKENS)]
        measured = chain.from_iterable(batches)
        return [next(measured) if isinstance(each, TokenPair) else each for each in tokenized]

    def _tokenize(self, prompt: Prompt, answer: str) -> TokenPair | Ifd | InvalidSample:
        """What goes through the model, or the result of a sample of which nothing does."""
        if not answer.strip():
            return Ifd(flags=("empty_answer",))
        question = render(prompt)
        try:
            _ = question.encode(), answer.encode()
        except UnicodeEncodeError as error:
            return InvalidSample(f"not Unicode text: {error.reason}")
        pair = self._tokenizer.pair(question, answer)
        return pair if pair.start < self._max_length else Ifd(flags=("prompt_too_long",))


def _measure_all(forward: Forward, pairs: Sequence[TokenPair]) -> list[Ifd | Transient]:
    """One result per pair. A pass that fails is done again in two halves, down to the samples that fail alone."""
    try:
        return _measure(forward, pairs)
    except Exception as error:  # out of memory, most often, which half the tokens may not be
        failure = Transient(f"the model failed on {len(pairs[0].cond)} tokens: {type(error).__name__}: {error}")
    if len(pairs) == 1:  # outside of the handler, whose error would keep the tensors of the failed pass alive
        return [failure]
    middle = len(pairs) // 2
    return _measure_all(forward, pairs[:middle]) + _measure_all(forward, pairs[middle:])


def _measure(forward: Forward, pairs: Sequence[TokenPair]) -> list[Ifd | Transient]:
    sequences = [each for pair in pairs for each in ((pair.cond, pair.start), (pair.uncond, 1))]
    scored = [start < len(ids) for ids, start in sequences]
    segments = [Segment(ids=ids, start=start) for ids, start in sequences if start < len(ids)]
    means = iter([float(nll.double().mean()) for nll in forward(segments)])
    mean_nll = [next(means) if any_scored else None for any_scored in scored]
    return [_ifd(*each) for each in zip(pairs, mean_nll[::2], mean_nll[1::2], strict=True)]


def _ifd(pair: TokenPair, nll_cond: float | None, nll_uncond: float | None) -> Ifd:
    """The result from both mean NLL in nats, each None where it is the mean of nothing."""
    defined = nll_cond is not None and nll_uncond is not None
    ifd = _ratio(nll_cond, nll_uncond)
    checks = {"one_token_answer": nll_uncond is None, "truncated": pair.truncated, "nan": defined and ifd is None}
    return Ifd(
        nll_cond=_finite(nll_cond),
        nll_uncond=_finite(nll_uncond),
        n_cond=len(pair.cond) - pair.start,
        n_uncond=len(pair.uncond) - 1,
        tokens=len(pair.cond) + len(pair.uncond),
        ifd=ifd,
        flags=tuple(flag for flag, applies in checks.items() if applies),
    )


def _ratio(nll_cond: float | None, nll_uncond: float | None) -> float | None:
    """exp of the difference, or None where it is no finite number."""
    if nll_cond is None or nll_uncond is None:
        return None
    try:
        return _finite(math.exp(nll_cond - nll_uncond))
    except OverflowError:
        return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
