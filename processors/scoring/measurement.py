"""One sample's numbers, from the NLL of its answer tokens."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from processors.scoring.tokens import TokenPair


@dataclass(frozen=True, slots=True, kw_only=True)
class Ifd:
    """The result for one sample.

    `n_cond` and `n_uncond` count scored tokens, `tokens` all tokens that went through the model, in the type `dtype`.
    `cond` holds the NLL of each answer token given the prompt, in nats, shape (n_cond,), and `end` that of the token
    that ends a text, behind the answer (None if it was not asked). `gains` are NLL given the prompt less NLL without
    it, for each answer token that both passes score, shape (n,). The three are left out when two results are compared.
    """

    nll_cond: float | None = None
    nll_uncond: float | None = None
    n_cond: int = 0
    n_uncond: int = 0
    tokens: int = 0
    ifd: float | None = None
    flags: tuple[str, ...] = ()
    dtype: str = ""
    cond: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), repr=False, compare=False)
    gains: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), repr=False, compare=False)
    end: float | None = field(default=None, repr=False, compare=False)


def measurement(pair: TokenPair, cond: torch.Tensor, uncond: torch.Tensor, ratio: str, dtype: str) -> Ifd:
    """Compute the result from the NLL in nats of the scored tokens of both sequences, each of which may have none.

    `cond` is that of `pair.asked`, with the end token behind the answer. `ratio` is ``perplexity`` or ``loss``.
    """
    end = None
    if pair.end is not None:
        cond, end = cond[:-1], float(cond[-1])
    nll_cond, nll_uncond = _mean(cond), _mean(uncond)
    defined = nll_cond is not None and nll_uncond is not None
    ifd = _ratio(nll_cond, nll_uncond, ratio)
    checks = {"one_token_answer": nll_uncond is None, "truncated": pair.truncated, "nan": defined and ifd is None}
    return Ifd(
        nll_cond=_finite(nll_cond),
        nll_uncond=_finite(nll_uncond),
        n_cond=len(cond),
        n_uncond=len(uncond),
        tokens=len(pair.cond) + len(pair.uncond),
        ifd=ifd,
        flags=tuple(flag for flag, applies in checks.items() if applies),
        dtype=dtype,
        cond=cond.float().numpy(),
        gains=_gains(pair, cond, uncond),
        end=_finite(end),
    )


def _gains(pair: TokenPair, cond: torch.Tensor, uncond: torch.Tensor) -> NDArray[np.float32]:
    """Return the gains; none if tokenising the answer after the prompt gave other tokens than tokenising it alone."""
    n = max(0, min(len(cond) - pair.skipped, len(uncond)))
    first, alone = pair.start + pair.skipped, pair.uncond_start
    if list(pair.cond[first : first + n]) != list(pair.uncond[alone : alone + n]):
        return np.empty(0, np.float32)
    gains: NDArray[np.float32] = (cond[pair.skipped : pair.skipped + n] - uncond[:n]).numpy()
    return gains


def _mean(nll: torch.Tensor) -> float | None:
    return float(nll.double().mean()) if len(nll) else None


def _ratio(nll_cond: float | None, nll_uncond: float | None, ratio: str) -> float | None:
    """Return None if the ratio is not a finite number."""
    if nll_cond is None or nll_uncond is None:
        return None
    try:
        return _finite(nll_cond / nll_uncond if ratio == "loss" else math.exp(nll_cond - nll_uncond))
    except (OverflowError, ZeroDivisionError):
        return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
