"""Prompt and answer as token ids, cut as Superfiltering cuts them (code_ifd/data_analysis.py of that repository).

The reference tokenises three texts: the prompt, the answer, and both together. The first answer token of the whole is
the one after as many tokens as the prompt has alone. If tokens cannot merge across the seam between prompt and answer,
the third text is the first two in a row, and each is tokenised once.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from processors.scoring.conventions import Convention
from schemas import Prompt

_PROBES = ("word", "7", ".", "é", "中", "'s", "\N{GRINNING FACE}")
_SEAM = re.compile(r"\S\n\Z")
_CUT = re.compile(r"\S(?:(?= )|\n(?=\S))")
_CHARS_PER_TOKEN = 8  # a long text is first cut to so many characters per token; English has about 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """The two token sequences of one sample.

    `cond` is prompt and answer, cut to `max_length`; its answer begins at `start`. `uncond` is the answer without the
    prompt, scored from `uncond_start`: its scored tokens are those of the answer without the first `skipped`.
    `truncated` says that the end of the answer is missing in `cond`. `end` is the token that ends a text, None if the
    tokenizer has none or the end of the answer is missing: its NLL behind the answer says whether it may end there.
    """

    cond: Sequence[int]
    start: int
    uncond: Sequence[int]
    uncond_start: int = 1
    skipped: int = 1
    truncated: bool
    end: int | None = None

    @property
    def asked(self) -> Sequence[int]:
        """`cond`, with `end` behind it if there is one."""
        return self.cond if self.end is None else [*self.cond, self.end]


class PairTokenizer:
    """Tokenises samples for scoring by `convention`.

    `tokenizer` is a transformers tokenizer. Texts far beyond `max_length` tokens cost little more than those at it:
    they are cut at whitespace before they are tokenised, if they have any. Raises ValueError if the tokenizer lacks a
    chat template, or a token to begin with, that the convention needs.
    """

    def __init__(self, tokenizer: Any, max_length: int, convention: Convention) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._convention = convention
        if convention.template == "chat" and not tokenizer.chat_template:
            raise ValueError("the convention chat-template needs a tokenizer with a chat template; this one has none")
        self._begin, self._begin_alone = self._special(convention.begin), self._special(convention.begin_alone)
        self._splits = self._splits_at_whitespace()

    def pair(self, prompt: Prompt, answer: str) -> TokenPair:
        """Tokenise `prompt` and the text `answer`."""
        question = self._head(self._convention.render(prompt, self._tokenizer))
        answer = self._head(answer)
        ids = cache(self._ids)  # both sequences contain the answer
        prefix, whole = self._sequence(ids, self._begin, question, answer)
        prefix_alone, alone = self._sequence(ids, self._begin_alone, self._convention.alone, answer)
        start, start_alone = len(prefix), len(prefix_alone)
        # The part of the answer that fits, as many tokens in both; Superfiltering's unconditional pass takes one more.
        room = self._max_length - start + (1 if self._convention.name == "superfilter" else 0)
        truncated = len(whole) > self._max_length
        return TokenPair(
            cond=whole[: self._max_length],
            start=start,
            uncond=alone[: start_alone + max(0, room)],
            uncond_start=max(1, start_alone),
            skipped=0 if start_alone else 1,
            truncated=truncated,
            end=None if truncated or len(whole) <= start else self._tokenizer.eos_token_id,
        )

    def _sequence(
        self, ids: Callable[[str], list[int]], begin: list[int], before: str, answer: str
    ) -> tuple[list[int], list[int]]:
        """Return the tokens of `before`, and those of `before` with `answer`, both with `begin` in front."""
        prefix = begin + (ids(before) if before else [])
        clean = self._splits and _SEAM.search(before[-2:]) and not answer[:1].isspace()
        if not before or clean or not self._convention.whole_text:
            return prefix, prefix + ids(answer)
        return prefix, begin + ids(before + answer)

    def _special(self, kind: str) -> list[int]:
        if kind == "none":
            return []
        bos, eos = self._tokenizer.bos_token_id, self._tokenizer.eos_token_id
        if kind == "own":
            return [bos] if bos is not None and self._tokenizer.encode("")[:1] == [bos] else []
        first = bos if bos is not None else eos
        if first is None:
            raise ValueError(f"the convention {self._convention.name} needs a tokenizer with a BOS or an EOS token")
        return [first]

    def _head(self, text: str) -> str:
        """Cut a long `text` to a beginning that has the same first `max_length` + 1 tokens."""
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
        """Return whether this tokenizer never merges a lone newline with the next line, or a word with the space after
        it.

        True of the byte-level tokenizers (GPT-2, SmolLM2, Llama 3, Qwen), whose regular expressions end a piece there;
        false of SentencePiece, which puts a space before each text.
        """
        pairs = [("a\n", probe) for probe in _PROBES] + [("a", " b"), (".", " b")]
        return all(self._ids(left + right) == self._ids(left) + self._ids(right) for left, right in pairs)
