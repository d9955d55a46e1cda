"""The published forms of IFD: which texts go through the model, and which ratio is taken.

================  ===========================  =======================  ===============================  ==========
convention        before the answer            alone, before it         tokens                           `ifd`
================  ===========================  =======================  ===============================  ==========
superfilter       ``{instruction}\\n[{input}\\n]``  nothing, no BOS      of the whole text                perplexity
cherry            Alpaca's preamble            ``### Response:``        of the whole text, BOS if the    loss
                                                                        tokenizer puts one
aligned           BOS, then as superfilter     BOS                      of each part: the same answer    perplexity
                                                                        tokens scored in both passes
chat-template     the model's chat template    BOS                      of each part                     loss
================  ===========================  =======================  ===============================  ==========

superfilter is arXiv 2402.00530 and its code, cherry arXiv 2308.12032 and its code, chat-template the form of wana. A
perplexity ratio is exp(s(A|Q) - s(A)), a loss ratio s(A|Q) / s(A); both are below 1 for the same samples. BOS is the
tokenizer's beginning-of-sequence token, or its end-of-sequence token if it has no other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from processors.scoring.config import ConventionName
from schemas import Prompt

_RESPONSE = "### Response:"
_TASK = "Below is an instruction that describes a task"
_WITH_INPUT = (
    f"{_TASK}, paired with an input that provides further context. Write a response that appropriately completes the "
    "request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n" + _RESPONSE
)
_WITHOUT_INPUT = (
    f"{_TASK}. Write a response that appropriately completes the request.\n\n### Instruction:\n{{instruction}}\n\n"
    + _RESPONSE
)


def plain(prompt: Prompt) -> str:
    """Render the prompt in Superfiltering's template: the instruction, then the input if any, each with a newline.

    Our extension: a system prompt and the turns of the history come first, the content of each on lines of its own,
    oldest first. A sample without them, as all of Alpaca, is exactly the paper's.
    """
    return "".join(f"{message.content}\n" for message in prompt.messages())


def alpaca(prompt: Prompt) -> str:
    """Render the prompt in Alpaca's template, as Cherry_LLM does: without the newline at the end of Stanford's own.

    Our extension: a system prompt and the turns of the history stand at the head of the instruction.
    """
    before = [prompt.system] if prompt.system else []
    instruction = "\n".join([*before, *(turn.content for turn in prompt.history), prompt.instruction])
    template = _WITH_INPUT if prompt.input else _WITHOUT_INPUT
    return template.format(instruction=instruction, input=prompt.input)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """One row of the table above.

    `render` gives the text before the answer, `alone` is the text before it in the unconditional pass. `begin` names
    the special token before the first of the two texts: none, the tokenizer's own choice, or BOS. `begin_alone` is the
    same for the second.
    """

    name: ConventionName
    template: str
    ratio: Literal["perplexity", "loss"]
    render: Callable[[Prompt, Any], str]
    alone: str = ""
    whole_text: bool
    begin: Literal["none", "own", "bos"]
    begin_alone: Literal["none", "own", "bos"]


def _chat(prompt: Prompt, tokenizer: Any) -> str:
    turns = [{"role": message.role, "content": message.content} for message in prompt.messages()]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return text


CONVENTIONS: dict[str, Convention] = {
    row.name: row
    for row in (
        Convention(
            name="superfilter",
            template="plain",
            ratio="perplexity",
            render=lambda prompt, _: plain(prompt),
            whole_text=True,
            begin="none",
            begin_alone="none",
        ),
        Convention(
            name="cherry",
            template="alpaca",
            ratio="loss",
            render=lambda prompt, _: alpaca(prompt),
            alone=_RESPONSE,
            whole_text=True,
            begin="own",
            begin_alone="own",
        ),
        Convention(
            name="aligned",
            template="plain",
            ratio="perplexity",
            render=lambda prompt, _: plain(prompt),
            whole_text=False,
            begin="bos",
            begin_alone="bos",
        ),
        Convention(
            name="chat-template",
            template="chat",
            ratio="loss",
            render=_chat,
            whole_text=False,
            begin="none",
            begin_alone="bos",
        ),
    )
}
