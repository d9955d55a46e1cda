"""Samples to test with: one with every field set, and Hypothesis strategies for arbitrary ones."""

import base64
from typing import Any

from hypothesis import strategies as st

from schemas import Answer, Decision, Embedding, Message, Prompt, Sample, Score, Step, Verification
from schemas.sample import Alternative

SCORE = Score(
    ifd=0.8125,
    nll_cond=1.25,
    nll_uncond=1.4576,
    n_cond=5,
    n_uncond=4,
    convention="superfilter",
    template="plain",
    model="SmolLM2-135M-Instruct",
    model_hash="9f86d081",
    dtype="float32",
    flags=("truncated",),
    uninformative=0.25,
    s_ifd=0.75,
    length_percentile=0.5,
    signals={"end_nats": 0.75, "loop": 0.0},
)
FULL = Sample(
    sample_id="0123456789abcdef0123456789abcdef",
    prompt=Prompt(
        instruction="把下面的句子翻译成英文。",
        input="春天来了 🌱",
        system="You are a careful translator.",
        history=(Message(role="user", content="Hello"), Message(role="assistant", content="Hello, what shall I do?")),
    ),
    answer=Answer(
        text="Spring has come.\x00\t\n", model="local-135m", finish_reason="stop", reasoning="春天 is spring."
    ),
    task_type="translation",
    language="zh",
    labels={"data set": "own", "licence": "Apache-2.0"},
    verification=Verification(outcome="passed", evidence="exit 0, 3 of 3 asserts"),
    score=SCORE,
    embedding=Embedding(
        model="all-MiniLM-L6-v2", dims=4, f16="ADgAuAA4ADg=", model_hash="0f1e2d3c4b5a6978", unknown=0.125
    ),
    decision=Decision(
        outcome="rejected",
        reason="gain",
        rule="streaming_gain",
        input_offset=41,
        cluster=7,
        nearest=0.62,
        quality=0.3,
        novelty=0.19,
        deficit=-0.04,
        preference=0.06,
        gain=0.45,
        threshold=0.5,
        clusters=12,
        duplicate_of="fedcba9876543210fedcba9876543210",
    ),
    lineage=(
        Step(
            stage="answering",
            at="2026-11-23T05:00:00Z",
            seconds=1.5,
            model="local-135m",
            params={"temperature": 0.7, "top_k": 40, "greedy": False, "route": "zh"},
            tokens_in=31,
            tokens_out=5,
            cost_usd=0.00012,
        ),
    ),
    fault="answering: truncated",
    alternatives=(
        Alternative(
            sample_id="00112233445566778899aabbccddeeff",
            answer=Answer(text="春天来了。", model="qwen", finish_reason="stop", reasoning="又一个"),
            lineage=(Step(stage="answering", at="2026-11-23T05:00:01Z", params={"answer": 2, "of": 2}),),
            verification=Verification(outcome="failed", evidence="exit 1"),
            score=SCORE,
        ),
    ),
    rating="keep",
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
COUNT = st.integers(min_value=0, max_value=2**63 - 1)
INT = st.integers(min_value=-(2**63), max_value=2**63 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
MAYBE = st.none() | FLOAT

PARAMS = st.dictionaries(TEXT, TEXT | st.booleans() | INT | FLOAT, max_size=4)
MESSAGES = st.builds(Message, role=st.sampled_from(["system", "user", "assistant", "tool"]), content=TEXT)
PROMPTS = st.builds(
    Prompt, instruction=TEXT, input=TEXT, system=TEXT, history=st.lists(MESSAGES, max_size=3).map(tuple)
)
ANSWERS = st.builds(Answer, text=TEXT, model=TEXT, finish_reason=TEXT, reasoning=TEXT)
VERIFICATIONS = st.builds(
    Verification, outcome=st.sampled_from(["passed", "failed", "error", "skipped"]), evidence=TEXT
)
SCORES = st.builds(
    Score,
    ifd=MAYBE,
    nll_cond=MAYBE,
    nll_uncond=MAYBE,
    n_cond=COUNT,
    n_uncond=COUNT,
    convention=TEXT,
    template=TEXT,
    model=TEXT,
    model_hash=TEXT,
    dtype=TEXT,
    flags=st.lists(TEXT, max_size=3).map(tuple),
    **dict.fromkeys(["uninformative", "s_ifd", "length_percentile"], MAYBE),
    signals=st.dictionaries(TEXT, FLOAT, max_size=4),
)
STEPS = st.builds(
    Step,
    stage=TEXT,
    at=TEXT,
    seconds=FLOAT,
    model=TEXT,
    params=PARAMS,
    tokens_in=COUNT,
    tokens_out=COUNT,
    cost_usd=FLOAT,
)
DECISIONS = st.builds(
    Decision,
    outcome=st.sampled_from(["curated", "rejected"]),
    reason=TEXT,
    rule=TEXT,
    input_offset=INT,
    cluster=st.none() | INT,
    **dict.fromkeys(["nearest", "quality", "novelty", "deficit", "preference", "gain", "threshold"], MAYBE),
    clusters=COUNT,
    duplicate_of=TEXT,
)


@st.composite
def embeddings(draw: Any) -> Embedding:
    raw = draw(st.binary(max_size=32).filter(lambda raw: len(raw) % 2 == 0))
    f16 = base64.b64encode(raw).decode()
    unknown = draw(st.floats(0, 1))
    return Embedding(model=draw(TEXT), dims=len(raw) // 2, f16=f16, model_hash=draw(TEXT), unknown=unknown)


SAMPLES = st.builds(
    Sample,
    sample_id=TEXT,
    prompt=PROMPTS,
    answer=st.none() | ANSWERS,
    task_type=TEXT,
    language=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=4),
    verification=st.none() | VERIFICATIONS,
    score=st.none() | SCORES,
    embedding=st.none() | embeddings(),
    decision=st.none() | DECISIONS,
    lineage=st.lists(STEPS, max_size=3).map(tuple),
    fault=TEXT,
    alternatives=st.lists(
        st.builds(
            Alternative,
            sample_id=TEXT,
            answer=st.none() | ANSWERS,
            lineage=st.lists(STEPS, max_size=2).map(tuple),
            verification=st.none() | VERIFICATIONS,
            score=st.none() | SCORES,
        ),
        max_size=2,
    ).map(tuple),
    rating=st.sampled_from(["keep", "drop", ""]),
)
