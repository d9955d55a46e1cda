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
    `gains` are NLL given the prompt less NLL without it, in nats, for each answer token that both passes score, shape
    (n,). They are left out when two results are compared.
    """

    nll_cond: float | None = None
    nll_uncond: float | None = None
    n_cond: int = 0
    n_uncond: int = 0
    tokens: int = 0
    ifd: float | None = None
    flags: tuple[str, ...] = ()
    dtype: str = ""
    gains: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), repr=False, compare=False)


def measurement(pair: TokenPair, cond: torch.Tensor, uncond: torch.Tensor, ratio: str, dtype: str) -> Ifd:
    """Compute the result from the NLL in nats of the scored tokens of both sequences, each of which may have none.

    `ratio` is ``perplexity`` or ``loss``.
    """
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
        gains=_gains(pair, cond, uncond),
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
