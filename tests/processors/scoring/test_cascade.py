"""Low precision first: the samples that float32 decides, and that all decisions are those of float32."""

import copy
import random

import pytest
import torch

from processors.errors import ProcessorError, Transient
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.cascade import margin, undecided
from processors.scoring.ifd import Ifd, IfdScorer
from processors.scoring.linear import low_precision
from schemas import Prompt
from tests.processors.conftest import alpaca
from tests.processors.scoring.test_ifd import pair

pytestmark = pytest.mark.models

needs_bfloat16 = pytest.mark.skipif(
    low_precision(torch.device("cpu")) is None, reason="this CPU is no faster in bfloat16: there is no cascade on it"
)


@pytest.fixture(scope="module")
def cascade(checkpoint: CausalCheckpoint) -> IfdScorer:
    return IfdScorer(checkpoint, 1024, cascade=True)


def result(difference: float, scored: int = 100) -> Ifd:
    return Ifd(nll_cond=2.0 + difference, nll_uncond=2.0, n_cond=scored, n_uncond=scored - 1, ifd=1.0)


def test_the_margin_is_wider_for_short_answers() -> None:
    assert margin(1) > margin(10) > margin(1000) > 0


def test_what_is_near_the_threshold_or_no_number_is_undecided() -> None:
    assert undecided(result(0.0))
    assert undecided(result(0.9 * margin(99)))
    assert not undecided(result(-1.1 * margin(99)))
    assert undecided(result(0.08, scored=5))
    assert not undecided(result(0.08, scored=500))
    assert undecided(Ifd(flags=("nan",)))
    assert undecided(Transient("out of memory"))
    assert not undecided(Ifd(nll_cond=2.0, n_cond=1, flags=("one_token_answer",)))


def in_float32(cascade: IfdScorer, samples: list[tuple[Prompt, str]]) -> list[Ifd | ProcessorError]:
    """Score as a scorer without a cascade does; a second one would be half a gigabyte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cascade, "_first", None)
        return cascade.score(samples)


@needs_bfloat16
@pytest.mark.data
def test_decisions_are_those_of_float32(cascade: IfdScorer) -> None:
    """With their own answers, and with those of other samples, for which IFD comes near to 1."""
    rows = [row for row in alpaca("alpaca_en_1k.json") if 10 < len(row["output"]) < 150]
    rows = random.Random(0).sample(rows, 30)
    swapped = [{**row, "output": other["output"]} for row, other in zip(rows, rows[1:] + rows[:1], strict=True)]
    samples = [pair(row) for row in [*rows, *swapped]]
    exact, found = in_float32(cascade, samples), cascade.score(samples)
    precisions = set()
    for some, other in zip(found, exact, strict=True):
        assert isinstance(some, Ifd)
        assert isinstance(other, Ifd)
        assert some.ifd is not None
        assert other.ifd is not None
        assert (some.ifd < 1) == (other.ifd < 1)
        assert some.dtype == "float32" or some.ifd == pytest.approx(other.ifd, rel=0.15)
        assert some.dtype == "bfloat16" or some == other
        precisions.add(some.dtype)
    assert precisions == {"float32", "bfloat16"}


@needs_bfloat16
def test_a_low_precision_that_gives_no_number_is_made_good(cascade: IfdScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [pair({"instruction": "Count.", "input": "", "output": "one, two, three, and so on"})]
    assert cascade._first is not None
    forward, dtype = cascade._first
    monkeypatch.setattr(cascade, "_first", (lambda segments: [nll * float("inf") for nll in forward(segments)], dtype))
    assert cascade.score(samples) == in_float32(cascade, samples)


def test_there_is_no_cascade_below_float32(checkpoint: CausalCheckpoint) -> None:
    config = copy.deepcopy(checkpoint.model.config)
    config.num_hidden_layers = 2
    half = CausalCheckpoint(
        name="half",
        model_hash="",
        model=type(checkpoint.model)(config).to(torch.bfloat16).eval(),
        tokenizer=checkpoint.tokenizer,
    )
    (found,) = IfdScorer(half, 64, cascade=True).score(
        [pair({"instruction": "?", "input": "", "output": "Yes, it is"})]
    )
    assert isinstance(found, Ifd)
    assert found.dtype == "bfloat16"
