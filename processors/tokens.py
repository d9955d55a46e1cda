"""Prompt and answer as token ids, cut as Superfiltering cuts them (code_ifd/data_analysis.py of that repository).

The reference tokenises three texts: the prompt, the answer, and both together; the first answer token of the whole is
the one at the number of tokens that the prompt has alone. Where the seam between the two cannot merge, the third text
is the first two in a row, and each is tokenised once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas import Prompt

_PROBES = ("word", "7", ".", "é", "中", "'s", "\N{GRINNING FACE}")
_SEAM = re.compile(r"\S\n\Z")
_CUT = re.compile(r"\S(?:(?= )|\n(?=\S))")
_CHARS_PER_TOKEN = 8  # how much of a long text is tried first; English has about 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The two token sequences of one sample.

    `cond` is prompt and answer, cut to `max_length`; its answer begins at `start`. `uncond` is the answer alone, cut to
    `max_length - n_prompt + 1`. `truncated` says that the end of the answer is missing in `cond`.
    """

    cond: Sequence[int]
    start: int
    uncond: Sequence[int]
    truncated: bool


def render(prompt: Prompt) -> str:
    """The prompt in Superfiltering's template: instruction, a newline, and where there is one the input and a newline.

    Our extension: a system prompt and the turns of the history stand before it, the content of each on lines of its
    own, oldest first. A sample without them, as all of Alpaca, is exactly the paper's.
    """
    return "".join(f"{message.content}\n" for message in prompt.messages())


class PairTokenizer:
    """Tokenises samples for scoring, without special tokens (Superfiltering: no BOS).

    `tokenizer` is a transformers tokenizer. Texts far beyond `max_length` tokens cost little more than those at it,
    unless they hold no whitespace to cut at; then they are tokenised whole.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._splits = self._splits_at_whitespace()

    def pair(self, prompt: str, answer: str) -> TokenPair:
        """The pair for the text `prompt`, ending in a newline, and the text `answer`."""
        limit = self._max_length
        prompt, answer = self._head(prompt), self._head(answer)
        prefix, alone = self._ids(prompt), self._ids(answer)
        seam_is_clean = self._splits and _SEAM.search(prompt[-2:]) and not answer[:1].isspace()
        whole = prefix + alone if seam_is_clean else self._ids(prompt + answer)
        return TokenPair(
            cond=whole[:limit],
            start=len(prefix),
            uncond=alone[: max(0, limit - len(prefix) + 1)],
            truncated=len(whole) > limit,
        )

    def _head(self, text: str) -> str:
        """A beginning of `text`, where it is long, with the same first `max_length` + 1 tokens."""
        size = _CHARS_PER_TOKEN * self._max_length
        while self._splits and (cut := _CUT.search(text, size)):
            head = text[: cut.end()]
            if len(self._ids(head)) > self._max_length:
                return head
            size *= 4
        return text

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False, verbose=False)
        return ids

    def _splits_at_whitespace(self) -> bool:
        """Whether this tokenizer never merges a lone newline with the next line, or a word with the space after it.

        True of the byte-level tokenizers (GPT-2, SmolLM2, Llama 3, Qwen), whose regular expressions end a piece there;
        false of SentencePiece, which puts a space before each text.
        """
        pairs = [("a\n", probe) for probe in _PROBES] + [("a", " b"), (".", " b")]
        return all(self._ids(left + right) == self._ids(left) + self._ids(right) for left, right in pairs)
