"""Trials of both policies with the real scorer, on replies that are staged."""

import random
from datetime import UTC, datetime

import orjson
import pytest

from processors.answering.config import AnsweringConfig
from processors.diversity.config import DiversityConfig
from processors.embedding.embedding import Embedder
from processors.experiment import Parts, Trial
from processors.gates.config import GatesConfig
from processors.llm.client import Client
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.config import ScoringConfig
from processors.scoring.ifd import IfdScorer
from processors.scoring.scorer import Scorer
from processors.skills import LIBRARY, load_skills
from processors.synthesis.config import BLOCKED, PolicyName, SynthesisConfig
from processors.synthesis.seeds import seed_samples
from tests.processors.llm.staged_server import ANSWER, Raw, completion_of, staged
from tests.processors.synthesis.test_self_instruct import ROUTE, client_of

pytestmark = pytest.mark.models

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POOL = [sample for kind in load_skills(LIBRARY).values() for sample in seed_samples(kind, "")]
WORDS = sorted(
    {word for sample in POOL for word in sample.prompt.instruction.split() if word.isascii() and word.isalpha()}
    - {*BLOCKED, "following", "below"}
)


def replies(count: int) -> list[Raw]:
    """Pairs of a prompt out of words at random, and its answer: 30 tokens each."""
    draw = random.Random(1)
    texts = [text for _ in range(count) for text in (f"Explain {' '.join(draw.sample(WORDS, 12))}.", ANSWER)]
    return [Raw(body=orjson.dumps(completion_of(text))) for text in texts]


@pytest.fixture(scope="module")
def scorer(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, minilm: Embedder) -> Scorer:
    return Scorer(ScoringConfig(cascade=False), ifd_scorer, checkpoint.model_hash, minilm, lambda: NOON)


def parts(client: Client, scorer: Scorer) -> Parts:
    return Parts(
        models=client,
        routes=[ROUTE],
        scorer=scorer,
        synthesis=SynthesisConfig(in_flight=1),
        answering=AnsweringConfig(),
        diversity=DiversityConfig(warm_up=4, gates=GatesConfig(off=("unrelated", "garbled", "cut_off"))),
        pool=POOL,
        seeds=None,
        clock=lambda: NOON,
    )


@pytest.mark.parametrize("policy", ["uniform", "coverage"])
async def test_a_trial_spends_its_tokens_and_counts_what_came_of_them(policy: PolicyName, scorer: Scorer) -> None:
    turns = []
    async with staged() as (server, url), client_of(url) as client:
        server.script.extend(replies(20))
        trial = Trial(parts(client, scorer), policy, seed=1)
        await trial.run(590, lambda: turns.append(trial.tokens))
        asked = [body["messages"] for _, body in server.requests]
    data = trial.data()
    assert turns == list(range(60, 660, 60))
    assert (data["policy"], data["calls"], data["accepted"], data["tokens"]) == (policy, 10, 10, 600)
    assert 4 <= data["curated"] == 10 - sum(data["rejected"].values()) < 10
    assert data["curated_per_1k_tokens"] == pytest.approx(data["curated"] / 0.6)
    assert 1.0 < data["effective_clusters"] < data["curated"] + 1e-6
    assert 1.0 < data["vendi"] < data["curated"] + 1e-6
    kinds = {messages[0]["content"] for messages in asked if len(messages) > 1}
    assert len(kinds) == 10 if policy == "coverage" else len(kinds) > 1  # every arm once before any of them again


async def test_equal_seeds_ask_for_the_same(scorer: Scorer) -> None:
    asked = []
    for seed in (3, 3, 4):
        async with staged() as (server, url), client_of(url) as client:
            server.script.extend(replies(20))
            await Trial(parts(client, scorer), "coverage", seed).run(400)
            asked.append([body["messages"] for _, body in server.requests])
    assert asked[0] == asked[1] != asked[2]


async def test_what_synthesis_rejects_and_what_has_no_good_answer_ends_as_rejected(scorer: Scorer) -> None:
    async with staged() as (server, url), client_of(url) as client:
        pairs = replies(3)
        texts = ["Sing!", "", "I'm sorry, but I can't help with that."]
        too_short, empty, refusal = (Raw(body=orjson.dumps(completion_of(text))) for text in texts)
        server.script.extend([too_short, empty, pairs[0], refusal, *pairs[2:4]])
        trial = Trial(parts(client, scorer), "coverage", seed=1)
        await trial.run(180)
    data = trial.data()
    assert data["rejected"] == {"synthesis: too_short": 1, "answering: refusal": 1}
    assert (data["calls"], data["accepted"], data["curated"]) == (4, 2, 1)
