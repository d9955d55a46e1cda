"""Rows that bring their answers meet the gates: through the scoring stage with its real models, and the fold."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.embedding.embedding import Embedder
from processors.gates.config import GatesConfig
from processors.gates.registry import GATES
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.config import ScoringConfig
from processors.scoring.ifd import IfdScorer
from processors.scoring.scorer import Scorer
from schemas import Answer, Prompt, Sample, Score, decode, encode, sample_id
from tests.processors.gates.test_text_gates import DEFECTS, SOUND

pytestmark = pytest.mark.models

CREPES = "Describe a process of making crepes."
CREPES_ANSWER = (
    "Making crepes is an easy process. Mix flour, eggs, milk and a little salt until the batter is smooth. Heat a pan, "
    "melt some butter in it, and pour in a thin layer of batter. Cook it for a minute on each side, and serve it warm."
)
PHOTOSYNTHESIS = "用几句话解释什么是光合作用。"
PHOTOSYNTHESIS_ANSWER = (
    "光合作用是植物利用阳光，把二氧化碳和水转化为葡萄糖和氧气的过程。这个过程发生在叶绿体中。"
    "它为植物提供能量，也为地球上的生物提供氧气。"
)
FACTORIAL = "Write a Python function that returns the factorial of a number."
FACTORIAL_ANSWER = "def factorial(n):\n    if n <= 1:\n        return 1\n    return n * factorial(n - 1)"
DISORDER = (
    "minute batter and warm it Heat the on. is Cook crepes butter side Making thin a each easy pan until, melt layer "
    "of some smooth serve process flour pour eggs it a little salt an for in milk and Mix"
)

OF_THE_PASS = [
    ("cut_off", CREPES, CREPES_ANSWER[:150]),
    ("cut_off", PHOTOSYNTHESIS, PHOTOSYNTHESIS_ANSWER[:37]),
    ("cut_off", FACTORIAL, FACTORIAL_ANSWER[:52]),
    ("unrelated", CREPES, "The stock market fell by two percent on Monday, as investors feared higher interest rates."),
    ("unrelated", PHOTOSYNTHESIS, "这家酒店位于市中心，房间干净，服务员也很热情，下次还会再来住。"),
    ("unrelated", FACTORIAL, "The Nile is the longest river in Africa and flows into the Mediterranean Sea."),
    ("garbled", CREPES, DISORDER),
]
ORDINARY = [(CREPES, CREPES_ANSWER), (PHOTOSYNTHESIS, PHOTOSYNTHESIS_ANSWER), (FACTORIAL, FACTORIAL_ANSWER)]


@pytest.fixture(scope="module")
def scorer(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, embedder: Embedder) -> Scorer:
    clock = datetime(2026, 1, 2, tzinfo=UTC)
    return Scorer(ScoringConfig(cascade=False), ifd_scorer, checkpoint.model_hash, embedder, lambda: clock)


def row(instruction: str, answer: str, text: str = "") -> Sample:
    """Return a row that brought its answer, as ingestion makes it."""
    prompt, reply = Prompt(instruction=instruction, input=text), Answer(text=answer)
    return Sample(sample_id=sample_id(prompt, reply), prompt=prompt, answer=reply)


def reasons(scorer: Scorer, samples: list[Sample], gates: GatesConfig | None = None) -> list[str]:
    """Score the samples, send them over the wire, and return the reason of each one's decision, alone in a fold."""
    found = []
    for each in scorer.process(scorer.prepare(samples)):
        assert isinstance(each, Sample)
        fold = Diversity(seen=SeenIds(":memory:"), config=DiversityConfig(gates=gates or GatesConfig()))
        decided = fold.decide(decode(encode(each)), 0)
        assert decided is not None
        assert decided.decision is not None
        found.append(decided.decision.reason)
    return found


@pytest.mark.parametrize(("gate", "instruction", "answer"), OF_THE_PASS)
def test_a_defect_that_only_a_model_sees(scorer: Scorer, gate: str, instruction: str, answer: str) -> None:
    assert reasons(scorer, [row(instruction, answer)]) == [gate]


def test_the_sound_answers_of_the_same_prompts_pass(scorer: Scorer) -> None:
    assert reasons(scorer, [row(*each) for each in ORDINARY]) == ["warm_up"] * 3


def test_a_defect_of_the_text_is_the_reason_of_its_rejection(scorer: Scorer) -> None:
    """By its own gate, or by one before it in order."""
    order = list(GATES)
    found = reasons(scorer, [row(instruction, answer, text) for _, instruction, text, answer in DEFECTS])
    late = [
        (gate, reason)
        for (gate, *_), reason in zip(DEFECTS, found, strict=True)
        if reason not in order or order.index(reason) > order.index(gate)
    ]
    assert late == []


def test_sound_answers_that_look_odd_pass_the_gates_of_the_model_too(scorer: Scorer) -> None:
    found = reasons(scorer, [row(instruction, answer, text) for instruction, text, answer in SOUND])
    rejected = [(SOUND[index], reason) for index, reason in enumerate(found) if reason in GATES]
    assert rejected == []


def test_a_gate_that_is_off_lets_the_sample_pass(scorer: Scorer) -> None:
    (_, instruction, answer) = OF_THE_PASS[0]
    assert reasons(scorer, [row(instruction, answer)], GatesConfig(off=("cut_off",))) == ["warm_up"]


def test_a_record_of_an_earlier_version_passes_the_gates(scorer: Scorer) -> None:
    (scored,) = scorer.process(scorer.prepare([row(*OF_THE_PASS[0][1:])]))
    assert isinstance(scored, Sample)
    assert isinstance(scored.score, Score)
    older = replace(scored, score=replace(scored.score, signals={}))
    decided = Diversity(seen=SeenIds(":memory:")).decide(older, 0)
    assert decided is not None
    assert decided.decision is not None
    assert decided.decision.reason == "warm_up"
