"""The score: how much the instruction helps a small model to predict the answer; and the request's embedding."""

import base64
from dataclasses import dataclass, field

from pydantic import with_config

from schemas.types import CLOSED, Count, Float, Text, finite


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """IFD with all values needed to compute it again, or to compute another ratio from it.

    IFD(Q, A) = exp(nll_cond - nll_uncond), Superfiltering's form (arXiv 2402.00530) of arXiv 2308.12032. Both NLLs are
    means over answer tokens in nats. `ifd` and a mean are None if they are not defined; `flags` then gives the reason:
    ``empty_answer``, ``one_token_answer``, ``prompt_too_long``, ``truncated``, ``nan``.

    From the same pass, None if not computed: `uninformative` is the share of answer tokens in [0, 1] whose NLL the
    prompt hardly changes; `s_ifd` is IFD over the other, informative tokens only (T-SHIRT, arXiv 2506.01317, section
    3); `length_percentile` in [0, 1] is the IFD's rank among answers of about this length, since IFD grows with length.

    `signals` are measurements of prompt and answer by name, on which the gates of diversity decide; `processors.gates`
    says what each one means. It is empty in records of version 3 and older.
    """

    ifd: Float | None
    nll_cond: Float | None
    nll_uncond: Float | None
    n_cond: Count
    n_uncond: Count
    convention: Text
    template: Text
    model: Text
    model_hash: Text
    dtype: Text
    flags: tuple[Text, ...] = ()
    uninformative: Float | None = None
    s_ifd: Float | None = None
    length_percentile: Float | None = None
    signals: dict[Text, Float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = ("ifd", "nll_cond", "nll_uncond", "uninformative", "s_ifd", "length_percentile")
        finite({name: getattr(self, name) for name in names} | self.signals)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Unit vector of the request, little-endian float16 in base64: small, and the same bits for every reader.

    It travels with the sample because a diversity decision must not depend on computing it again. `model_hash` tells
    embedders apart, whatever `model` calls them: two vectors may be compared if theirs are equal. It is empty in
    records of version 2 and older. `unknown` is the share in [0, 1] of the request's tokens that the embedder does not
    know: a vector of mostly unknown tokens means little.
    """

    model: Text
    dims: Count
    f16: Text
    model_hash: Text = ""
    unknown: Float = 0.0

    def __post_init__(self) -> None:
        finite({"unknown": self.unknown})
        if not 0.0 <= self.unknown <= 1.0:
            raise ValueError(f"unknown is {self.unknown}: a share lies between 0 and 1")
        if len(base64.b64decode(self.f16, validate=True)) != 2 * self.dims:
            raise ValueError(f"an embedding of {self.dims} dimensions needs {2 * self.dims} bytes")

    def raw(self) -> bytes:
        """Return the vector as `2 * dims` bytes, for ``numpy.frombuffer(..., '<f2')``."""
        return base64.b64decode(self.f16)
