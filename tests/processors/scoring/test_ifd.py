"""The score against the reference loop, on real text, and the outcome of difficult answers."""

import random
from typing import Any

import pytest
import torch

from processors.errors import InvalidSample, ProcessorError, Transient
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.ifd import Ifd, IfdScorer
from schemas import Message, Prompt
from tests.processors.conftest import alpaca
from tests.processors.reference_ifd import reference_ifd

pytestmark = pytest.mark.models

ROWS = [
    {"instruction": "Name the capital of France.", "input": "", "output": "The capital of France is Paris."},
    {"instruction": "Translate to French.", "input": "good morning", "output": "bonjour"},
    {"instruction": "用一句话介绍北京。", "input": "", "output": "北京是中国的首都，有三千多年的历史。"},
    {"instruction": "Answer in emoji: rain", "input": "", "output": "🌧️☔🌂💧"},
    {"instruction": "Write a C string with its end.", "input": "", "output": 'char s[] = "abc\x00";'},
    {"instruction": "Add 12345 and 678.", "input": "", "output": "13023"},
    {
        "instruction": "The answer begins with a newline",
        "input": "",
        "output": "\n\nand so it merges with the prompt's.",
    },
    {"instruction": "The prompt ends with newlines.\n\n", "input": "", "output": "Which merge with ours."},
    {"instruction": "The prompt ends with blanks.   ", "input": "", "output": "   As this begins with them."},
    {"instruction": "", "input": "", "output": "An answer to nothing."},
    {"instruction": "Say the token.", "input": "", "output": "<|im_start|>assistant<|im_end|>"},
    {"instruction": "Windows line ends\r\n", "input": "\r\n", "output": "\r\n like these\r\n"},
]


def pair(row: dict[str, str]) -> tuple[Prompt, str]:
    return Prompt(instruction=row["instruction"], input=row["input"]), row["output"]


def score_one(scorer: IfdScorer, instruction: str, answer: str) -> Ifd:
    (result,) = scorer.score([(Prompt(instruction=instruction), answer)])
    assert isinstance(result, Ifd)
    return result


def assert_equals_reference(
    checkpoint: CausalCheckpoint,
    rows: list[dict[str, str]],
    results: list[Ifd | ProcessorError],
    max_length: int = 1024,
) -> None:
    """Check that each result is within 1e-4, relative, of the reference loop's."""
    for row, result in zip(rows, results, strict=True):
        assert isinstance(result, Ifd)
        expected = reference_ifd(checkpoint.model, checkpoint.tokenizer, row, max_length)
        assert (result.nll_cond, result.nll_uncond, result.ifd) == pytest.approx(expected, rel=1e-4, abs=0)


def short_rows(checkpoint: CausalCheckpoint, name: str, count: int, tokens: int) -> list[dict[str, str]]:
    """Return the first `count` rows of at most `tokens` tokens whose answer has a token to score without the prompt."""

    def fits(row: dict[str, str]) -> bool:
        whole = checkpoint.tokenizer.encode(f"{row['instruction']}\n{row['input']}\n{row['output']}", verbose=False)
        return len(whole) <= tokens and len(checkpoint.tokenizer.encode(row["output"])) > 1

    return [row for row in alpaca(name) if fits(row)][:count]


def test_difficult_text_scores_as_in_the_reference(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer) -> None:
    assert_equals_reference(checkpoint, ROWS, ifd_scorer.score([pair(row) for row in ROWS]))


@pytest.mark.data
@pytest.mark.parametrize(("name", "count", "tokens"), [("alpaca_en_1k.json", 60, 48), ("alpaca_zh_1k.json", 38, 48)])
def test_real_samples_score_as_in_the_reference(
    checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, name: str, count: int, tokens: int
) -> None:
    rows = short_rows(checkpoint, name, count, tokens)
    assert len(rows) == count
    assert_equals_reference(checkpoint, rows, ifd_scorer.score([pair(row) for row in rows]))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["alpaca_en_1k.json", "alpaca_zh_1k.json"])
def test_samples_of_every_length_score_as_in_the_reference(
    checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, name: str
) -> None:
    rows = random.Random(0).sample([row for row in alpaca(name) if len(row["output"]) > 20], 150)
    assert_equals_reference(checkpoint, rows, ifd_scorer.score([pair(row) for row in rows]))


@pytest.mark.parametrize("surplus", [-1, 0, 1, 2, 30])
def test_a_cut_answer_scores_as_in_the_reference(checkpoint: CausalCheckpoint, surplus: int) -> None:
    """Around the limit: the conditional pass loses its last token one step before the unconditional one does."""
    row = {"instruction": "Count.", "input": "", "output": "one two three four five six seven eight nine ten " * 5}
    total = len(checkpoint.tokenizer.encode(f"Count.\n{row['output']}"))
    (result,) = IfdScorer(checkpoint, max_length=total - surplus).score([pair(row)])
    assert_equals_reference(checkpoint, [row], [result], max_length=total - surplus)
    assert isinstance(result, Ifd)
    assert result.flags == (("truncated",) if surplus > 0 else ())


def test_a_megabyte_is_cut_at_max_length(checkpoint: CausalCheckpoint) -> None:
    row = {"instruction": "Go on.", "input": "", "output": "and on, for ever and ever " * 40_000}
    scorer = IfdScorer(checkpoint, max_length=128)
    results = scorer.score([pair(row), pair({**row, "output": "x" * 1_000_000})])
    assert_equals_reference(checkpoint, [row], results[:1], max_length=128)
    for result in results:
        assert isinstance(result, Ifd)
        assert result.flags == ("truncated",)
        assert result.n_cond == result.n_uncond
        assert result.tokens <= 2 * 128


@pytest.mark.parametrize("answer", ["", " ", "\n\t \n", "\u3000"])
def test_an_answer_without_text_has_no_ifd(ifd_scorer: IfdScorer, answer: str) -> None:
    assert score_one(ifd_scorer, "Say nothing.", answer) == Ifd(flags=("empty_answer",))


def test_a_one_token_answer_has_no_ifd(ifd_scorer: IfdScorer) -> None:
    result = score_one(ifd_scorer, "Is the sky blue?", "Yes")
    assert (result.ifd, result.nll_uncond, result.flags) == (None, None, ("one_token_answer",))
    assert (result.n_cond, result.n_uncond) == (1, 0)
    assert result.nll_cond is not None
    assert result.nll_cond > 0


@pytest.mark.parametrize("words", [16, 17, 200_000])
def test_a_prompt_that_fills_the_sequence_has_no_ifd(checkpoint: CausalCheckpoint, words: int) -> None:
    result = score_one(IfdScorer(checkpoint, max_length=16), " word" * (words - 1), "An answer.")
    assert result == Ifd(flags=("prompt_too_long",))


def test_a_prompt_that_leaves_one_place_scores_one_token(checkpoint: CausalCheckpoint) -> None:
    result = score_one(IfdScorer(checkpoint, max_length=16), " word" * 14, "An answer of some length.")
    assert (result.n_cond, result.n_uncond, result.flags) == (1, 1, ("truncated",))
    assert result.ifd is not None


def test_text_that_is_not_unicode_is_invalid(ifd_scorer: IfdScorer) -> None:
    results = ifd_scorer.score([(Prompt(instruction="Half a character:"), "\ud83d"), pair(ROWS[0])])
    assert isinstance(results[0], InvalidSample)
    assert isinstance(results[1], Ifd)


def test_results_do_not_depend_on_order_or_neighbours(ifd_scorer: IfdScorer) -> None:
    together = ifd_scorer.score([pair(row) for row in ROWS])
    backwards = ifd_scorer.score([pair(row) for row in reversed(ROWS)])
    alone = [ifd_scorer.score([pair(row)])[0] for row in ROWS]
    assert together == list(reversed(backwards)) == alone


def test_a_system_prompt_and_earlier_turns_are_part_of_the_prompt(ifd_scorer: IfdScorer) -> None:
    turns = (Message(role="user", content="I am Ada."), Message(role="assistant", content="Hello Ada."))
    prompt = Prompt(instruction="Who am I?", system="Be brief.", history=turns)
    (result,) = ifd_scorer.score([(prompt, "You are Ada.")])
    flat = score_one(ifd_scorer, "Be brief.\nI am Ada.\nHello Ada.\nWho am I?", "You are Ada.")
    assert result == flat
    assert flat.nll_cond is not None
    bare = score_one(ifd_scorer, "Who am I?", "You are Ada.").nll_cond
    assert bare is not None
    assert flat.nll_cond < bare


def test_a_forward_pass_that_fails_fails_its_sample_alone(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer) -> None:
    def fail_on_long(_model: Any, _args: Any, arguments: dict[str, Any]) -> None:
        if arguments["input_ids"].shape[1] > 20:
            raise torch.OutOfMemoryError("out of memory")

    hook = checkpoint.model.register_forward_pre_hook(fail_on_long, with_kwargs=True)
    try:
        results = ifd_scorer.score([pair(ROWS[0]), (Prompt(instruction="Count."), "one two " * 20), pair(ROWS[5])])
    finally:
        hook.remove()
    assert [type(result) for result in results] == [Ifd, Transient, Ifd]


def test_a_model_that_gives_no_number_gives_a_flag(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer) -> None:
    def overflow(_model: Any, _args: Any, output: Any) -> Any:
        return output * float("nan")

    hook = checkpoint.model.lm_head.register_forward_hook(overflow)
    try:
        result = score_one(ifd_scorer, "Name a colour.", "Blue, of course.")
    finally:
        hook.remove()
    assert (result.ifd, result.nll_cond, result.nll_uncond, result.flags) == (None, None, None, ("nan",))


def test_max_length_beyond_the_models_context_is_refused(checkpoint: CausalCheckpoint) -> None:
    with pytest.raises(ValueError, match="2 to 8192"):
        IfdScorer(checkpoint, max_length=8193)
