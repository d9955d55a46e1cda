"""Each convention against a straightforward implementation of its authors' description."""

from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from processors.errors import InvalidSample
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.conventions import CONVENTIONS, alpaca
from processors.scoring.ifd import Ifd, IfdScorer
from processors.scoring.tokens import PairTokenizer
from schemas import Message, Prompt
from tests.processors import reference_conventions as reference
from tests.processors.scoring.test_ifd import ROWS, pair

pytestmark = pytest.mark.models

REFERENCES = {"cherry": reference.cherry, "aligned": reference.aligned, "chat-template": reference.chat_template}


def test_the_table_of_conventions_is_known_by_its_names() -> None:
    assert list(CONVENTIONS) == ["superfilter", *REFERENCES]
    assert all(convention.name == name for name, convention in CONVENTIONS.items())


@pytest.mark.parametrize("name", REFERENCES)
def test_it_scores_as_its_description_says(checkpoint: CausalCheckpoint, name: str) -> None:
    rows = [*ROWS, {"instruction": "Is it blue?", "input": "", "output": "Yes"}]
    scorer = IfdScorer(checkpoint, 512, convention=CONVENTIONS[name])
    for row, result in zip(rows, scorer.score([pair(row) for row in rows]), strict=True):
        assert isinstance(result, Ifd)
        expected = REFERENCES[name](checkpoint.model, checkpoint.tokenizer, row)
        assert (result.nll_cond, result.nll_uncond, result.ifd) == pytest.approx(expected, rel=1e-4, abs=0)
        assert result.flags == ()


@pytest.mark.parametrize("name", REFERENCES)
def test_a_cut_answer_is_cut_alike_in_both_passes(checkpoint: CausalCheckpoint, name: str) -> None:
    tokenizer = PairTokenizer(checkpoint.tokenizer, 80, CONVENTIONS[name])
    cut = tokenizer.pair(Prompt(instruction="Count."), "one two three four " * 60)
    assert cut.truncated
    assert len(cut.cond) == 80
    assert cut.cond[cut.start :] == cut.uncond[cut.uncond_start :]


def test_aligned_scores_the_only_token_of_an_answer(checkpoint: CausalCheckpoint) -> None:
    (result,) = IfdScorer(checkpoint, 64, convention=CONVENTIONS["aligned"]).score([(Prompt(instruction="?"), "Yes")])
    assert isinstance(result, Ifd)
    assert (result.n_cond, result.n_uncond, len(result.gains)) == (1, 1, 1)


def test_earlier_turns_go_through_every_template(checkpoint: CausalCheckpoint) -> None:
    turns = (Message(role="user", content="I am Ada."), Message(role="assistant", content="Hello Ada."))
    prompt = Prompt(instruction="Who am {I}?", system="Be brief.", history=turns)
    assert "### Instruction:\nBe brief.\nI am Ada.\nHello Ada.\nWho am {I}?\n\n### Response:" in alpaca(prompt)
    chat = CONVENTIONS["chat-template"].render(prompt, checkpoint.tokenizer)
    assert [chat.index(text) for text in ("Be brief.", "I am Ada.", "Hello Ada.", "Who am {I}?")] == sorted(
        chat.index(text) for text in ("Be brief.", "I am Ada.", "Hello Ada.", "Who am {I}?")
    )


def copy_of(tokenizer: Any, **changes: Any) -> Any:
    kept = {"bos_token": tokenizer.bos_token, "eos_token": tokenizer.eos_token, "chat_template": None}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **(kept | changes))


def test_what_a_convention_needs_of_the_tokenizer_is_asked_for_at_the_start(checkpoint: CausalCheckpoint) -> None:
    with pytest.raises(ValueError, match="chat template"):
        PairTokenizer(copy_of(checkpoint.tokenizer), 64, CONVENTIONS["chat-template"])
    with pytest.raises(ValueError, match="BOS or an EOS"):
        PairTokenizer(copy_of(checkpoint.tokenizer, bos_token=None, eos_token=None), 64, CONVENTIONS["aligned"])
    without_bos = PairTokenizer(copy_of(checkpoint.tokenizer, bos_token=None), 64, CONVENTIONS["aligned"])
    assert without_bos.pair(Prompt(instruction="?"), "Yes").uncond[0] == checkpoint.tokenizer.eos_token_id


def test_a_prompt_that_the_template_refuses_is_invalid(checkpoint: CausalCheckpoint) -> None:
    strict = copy_of(checkpoint.tokenizer, chat_template="{{ raise_exception('no system prompt') }}")
    other = CausalCheckpoint(name="strict", model_hash="", model=checkpoint.model, tokenizer=strict)
    (result,) = IfdScorer(other, 64, convention=CONVENTIONS["chat-template"]).score([(Prompt(instruction="?"), "Yes")])
    assert isinstance(result, InvalidSample)
    assert "chat template" in str(result)
