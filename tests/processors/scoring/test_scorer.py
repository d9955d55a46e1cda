"""The scoring stage: one result per sample, in order, whichever samples are in the batch."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.embedding.embedding import Embedder
from processors.embedding.vectors import vector_of
from processors.errors import InvalidSample, ProcessorError
from processors.models.checkpoints import CausalCheckpoint
from processors.models.files import EMBEDDER_DEFAULT
from processors.scoring.config import ScoringConfig
from processors.scoring.ifd import IfdScorer
from processors.scoring.scorer import Scorer
from schemas import Answer, Message, Prompt, Sample, Step, decode, encode
from tests.processors.conftest import alpaca

pytestmark = pytest.mark.models

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ticking() -> datetime:
    """Return a clock that advances by one second at every look."""
    return START + timedelta(seconds=next(_ticks))


_ticks = count()


@pytest.fixture(scope="module")
def scorer(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, embedder: Embedder) -> Scorer:
    return Scorer(ScoringConfig(cascade=False), ifd_scorer, checkpoint.model_hash, embedder, ticking)


def sample(instruction: str, answer: str | None, input: str = "") -> Sample:
    prompt = Prompt(instruction=instruction, input=input)
    reply = None if answer is None else Answer(text=answer)
    return Sample(
        sample_id=f"id of {instruction}",
        prompt=prompt,
        answer=reply,
        lineage=(Step(stage="collected", at="2026-01-01T00:00:00+00:00"),),
    )


def run(scorer: Scorer, samples: list[Sample]) -> list[Sample | ProcessorError]:
    return scorer.process(scorer.prepare(samples))


SAMPLES = [
    sample("Name the capital of France.", "The capital of France is Paris."),
    sample("Prompt only.", None),
    sample("Say nothing.", ""),
    sample("Half a character:", "\ud83d"),
    sample("翻译成中文", "你好，世界。", input="Hello, world."),
]


def test_one_result_per_sample_in_order(scorer: Scorer, checkpoint: CausalCheckpoint) -> None:
    results = run(scorer, SAMPLES)
    assert [type(result) for result in results] == [Sample, InvalidSample, Sample, InvalidSample, Sample]
    for before, after in zip(SAMPLES, results, strict=True):
        if not isinstance(after, Sample):
            continue
        assert (after.sample_id, after.prompt, after.answer) == (before.sample_id, before.prompt, before.answer)
        assert after.lineage[:-1] == before.lineage
        assert after.score is not None
        assert (after.score.convention, after.score.template) == ("superfilter", "plain")
        assert (after.score.model, after.score.model_hash) == ("smollm2-135m", checkpoint.model_hash)
        assert decode(encode(after)) == after


def test_it_loads_the_models_that_the_configuration_names(checkpoint: CausalCheckpoint, model_cache: Path) -> None:
    """In bfloat16, which is half as large."""
    loaded = Scorer.load(ScoringConfig(threads=1, dtype="bfloat16"), model_cache, ticking)
    (result,) = run(loaded, SAMPLES[:1])
    assert isinstance(result, Sample)
    assert result.score is not None
    assert result.embedding is not None
    assert (result.score.model, result.score.model_hash) == ("smollm2-135m", checkpoint.model_hash)
    assert (result.score.dtype, result.embedding.model) == ("bfloat16", EMBEDDER_DEFAULT)


def test_the_step_says_when_how_long_and_how_much(scorer: Scorer) -> None:
    results = [result for result in run(scorer, SAMPLES) if isinstance(result, Sample)]
    steps = [result.lineage[-1] for result in results]
    assert {step.stage for step in steps} == {"scoring"}
    assert all(datetime.fromisoformat(step.at) > START for step in steps)
    assert sum(step.seconds for step in steps) == pytest.approx(1.0)
    assert [step.tokens_in > 0 for step in steps] == [True, False, True]
    assert (steps[0].params["convention"], steps[0].params["cascade"]) == ("superfilter", False)


def test_the_signals_of_the_same_pass_come_with_the_score(scorer: Scorer) -> None:
    (result,) = run(scorer, SAMPLES[:1])
    assert isinstance(result, Sample)
    assert result.score is not None
    assert result.score.uninformative is not None
    assert 0 <= result.score.uninformative < 1
    assert result.score.dtype == "float32"


def test_the_embedding_is_that_of_the_prompt(scorer: Scorer, embedder: Embedder) -> None:
    result = run(scorer, SAMPLES)[4]
    assert isinstance(result, Sample)
    assert result.embedding is not None
    (vector,) = embedder.read([Prompt(instruction="翻译成中文\nHello, world.")]).vectors
    # The last bits depend on the batch.
    assert vector_of(result.embedding) @ vector == pytest.approx(1.0, abs=1e-3)
    assert (result.embedding.model, result.embedding.model_hash) == ("multilingual-e5-small", embedder.model_hash)
    assert result.embedding.unknown == 0.0


def test_a_score_does_not_depend_on_its_batch(scorer: Scorer) -> None:
    def content(results: list[object]) -> list[object]:
        """Return all fields of a score except those that depend on earlier samples, or on the embedder's batch."""
        return [
            replace(
                each.score,
                uninformative=None,
                s_ifd=None,
                length_percentile=None,
                signals={**each.score.signals, "related": 0.0},
            )
            if isinstance(each, Sample) and each.score
            else str(each)
            for each in results
        ]

    together = content([*run(scorer, SAMPLES)])
    assert content([*run(scorer, SAMPLES[::-1])])[::-1] == together
    assert [content([*run(scorer, [each])])[0] for each in SAMPLES] == together


def test_an_embedding_hardly_depends_on_its_batch(scorer: Scorer) -> None:
    def vectors(results: list[Sample | ProcessorError]) -> list[NDArray[np.float32]]:
        return [vector_of(each.embedding) for each in results if isinstance(each, Sample) and each.embedding]

    together, alone = vectors(run(scorer, SAMPLES)), vectors([run(scorer, [each])[0] for each in SAMPLES])
    assert len(together) == len(alone) == 3
    assert all(one @ other > 0.999 for one, other in zip(together, alone, strict=True))


def test_the_whole_request_is_embedded(scorer: Scorer) -> None:
    turns = (Message(role="user", content="Tell me about whales."), Message(role="assistant", content="Whales sing."))
    plain = sample("Continue.", "They also sleep.")
    embeddings = [
        each.embedding
        for each in run(scorer, [plain, replace(plain, prompt=replace(plain.prompt, history=turns))])
        if isinstance(each, Sample) and each.embedding
    ]
    one, other = map(vector_of, embeddings)
    assert one @ other < 0.97


def test_no_samples_give_no_results(scorer: Scorer) -> None:
    assert run(scorer, []) == []


@pytest.mark.data
@pytest.mark.parametrize("name", ["alpaca_en_1k.json", "alpaca_zh_1k.json"])
def test_the_cost_is_about_the_tokens(scorer: Scorer, checkpoint: CausalCheckpoint, name: str) -> None:
    """The sum is right within a tenth, so a token budget is meaningful."""
    rows = alpaca(name, 400)
    estimate = sum(scorer.cost(sample(row["instruction"], row["output"], row["input"])) for row in rows)
    texts = [f"{row['instruction']}\n{row['input']}\n{row['output']}{row['output']}" for row in rows]
    exact = sum(len(checkpoint.tokenizer.encode(text, verbose=False)) for text in texts)
    assert estimate == pytest.approx(exact, rel=0.1)


def test_the_cost_is_bounded_and_never_nothing(scorer: Scorer) -> None:
    assert scorer.cost(sample("Go on.", "and on " * 200_000)) == 2 * 1024
    assert scorer.cost(sample("", None)) == 1


@pytest.mark.parametrize("wrong", [{"max_length": 1}, {"threads": -1}, {"dtype": "int8"}, {"convention": "mine"}])
def test_a_configuration_without_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoringConfig(**wrong)  # type: ignore[arg-type]
