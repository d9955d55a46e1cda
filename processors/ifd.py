"""IFD as Superfiltering computes it: how much the prompt helps a small model to predict the answer.

IFD(Q, A) = exp(s(A|Q) - s(A)), where s is the mean negative log-likelihood per answer token in nats: the ratio of two
perplexities (arXiv 2402.00530 and its code, after arXiv 2308.12032). Conditional pass: prompt and answer, all answer
tokens scored. Unconditional pass: the answer alone without BOS, so that its first token has no context and is not
scored. Each sample runs alone, so its score does not depend on its neighbours.

What is not a number is a flag, never an exception:

====================  ============================================  ==========================================
``empty_answer``      no text, or nothing but whitespace            `ifd` None, no pass
``prompt_too_long``   the prompt fills `max_length`                 `ifd` None, no pass
``one_token_answer``  unconditional mean over nothing               `ifd` None, `nll_cond` known
``truncated``         the end of the answer is beyond `max_length`  `ifd` of what fits
``nan``               the model gave something not finite           `ifd` None
====================  ============================================  ==========================================
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from processors.checkpoints import CausalCheckpoint
from processors.errors import InvalidSample, ProcessorError, Transient
from processors.tokens import PairTokenizer, TokenPair, render
from schemas import Prompt

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

    def score(self, samples: Sequence[tuple[Prompt, str]]) -> list[Ifd | ProcessorError]:
        """One result per (prompt, answer), in order. What fails for one sample is that sample's error alone."""
        with torch.inference_mode():
            return [self._score(prompt, answer) for prompt, answer in samples]

    def _score(self, prompt: Prompt, answer: str) -> Ifd | ProcessorError:
        if not answer.strip():
            return Ifd(flags=("empty_answer",))
        question = render(prompt)
        try:
            _ = question.encode(), answer.encode()
        except UnicodeEncodeError as error:
            return InvalidSample(f"not Unicode text: {error.reason}")
        pair = self._tokenizer.pair(question, answer)
        if pair.start >= self._max_length:
            return Ifd(flags=("prompt_too_long",))
        try:
            return self._measure(pair)
        except Exception as error:  # out of memory, most often: this sample's, not the batch's
            return Transient(f"the model failed on {len(pair.cond)} tokens: {type(error).__name__}: {error}")

    def _measure(self, pair: TokenPair) -> Ifd:
        nll_cond = self._mean_nll(pair.cond, pair.start)
        nll_uncond = self._mean_nll(pair.uncond, 1)
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

    def _mean_nll(self, ids: Sequence[int], start: int) -> float | None:
        """Mean NLL in nats of the tokens from `start` on, each given all before it; None where there are none.

        The last token predicts nothing and stays out; only rows that predict a scored token pass the LM head.
        """
        scored = torch.tensor(ids[start:], device=self._model.device)
        if not len(scored):
            return None
        context = torch.tensor([ids[:-1]], device=self._model.device)
        logits = self._model(input_ids=context, logits_to_keep=len(scored), use_cache=False).logits[0].float()
        nll = logits.logsumexp(-1) - logits.gather(1, scored[:, None])[:, 0]
        return float(nll.double().mean())


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
