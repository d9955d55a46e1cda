"""Find the rule of a record."""

import re
from collections.abc import Sequence
from functools import lru_cache

from processors.rewriting.rules import Condition, Rule
from processors.text.rouge import tokens
from schemas import Sample

_HEAD, _TAIL = 3000, 1000
"""Patterns see only so many characters of a longer text: its two ends hold the task, and a slow pattern is bounded."""

_CODE = re.compile(
    r"```|^[ \t]*(?:def|class) \w+.*:[ \t]*$|^[ \t]*(?:import|from) [\w.]+(?: import .+|;)?$|#include\s*<"
    r"|\bfunction\s*\w*\s*\([^)]*\)\s*\{|=>\s*[{(]|\b(?:const|let|var)\s+\w+\s*=|</\w+>|\$\w+\s*=[^=]"
    r"|\b(?:public|private|static|void|int)\s+\w+\s*[=({;]"
    r"|\bSELECT\b.+\bFROM\b|\b(?:INSERT INTO|CREATE TABLE|ALTER TABLE)\b"
    r"|\b(?:print|printf|console\.log|System\.out\.println)\s*\(|^[ \t]*(?:for|while|if)\b.*[:{][ \t]*$"
    r"|^[ \t]*\w+\s*=\s*\w*[\[({\"'].*$|[)}\]\"'];[ \t]*$",
    re.MULTILINE,
)
"""Marks of common languages (Python, C and its kin, JavaScript, HTML, PHP and SQL) that prose does not have."""


def first_rule(rules: Sequence[Rule], sample: Sample) -> Rule:
    """Return the first rule that takes the sample. The last rule takes everything (`load_rules` ensures it)."""
    return next(rule for rule in rules if holds(rule.when, sample) and not (rule.unless and holds(rule.unless, sample)))


def holds(condition: Condition, sample: Sample) -> bool:
    """Return whether the sample meets every part of the condition."""
    prompt, answer = sample.prompt, sample.answer.text if sample.answer else ""
    return (
        _among(condition, sample)
        and _has(condition, sample)
        and _length(condition, prompt.text())
        and _found(condition.instruction, prompt.instruction)
        and _found(condition.input, prompt.input)
        and _found(condition.answer, answer)
    )


def has_code(text: str) -> bool:
    """Return whether a text looks as if it holds program code."""
    return _CODE.search(_ends(text)) is not None


def _among(condition: Condition, sample: Sample) -> bool:
    wanted = (
        (condition.languages, sample.language),
        (condition.sources, sample.labels.get("dataset", "")),
        (condition.task_types, sample.task_type),
    )
    return all(not allowed or value in allowed for allowed, value in wanted)


def _has(condition: Condition, sample: Sample) -> bool:
    prompt, answer = sample.prompt, sample.answer.text if sample.answer else ""
    wanted = (
        (condition.has_task_type, bool(sample.task_type)),
        (condition.has_input, bool(prompt.input.strip())),
        (condition.has_answer, bool(answer)),
    )
    if any(want is not None and want != has for want, has in wanted):
        return False
    return condition.has_code is None or condition.has_code == has_code(f"{prompt.text()}\n{answer}")


def _length(condition: Condition, text: str) -> bool:
    if condition.min_words is not None or condition.max_words is not None:
        count = len(tokens(text))
        if not (condition.min_words or 0) <= count <= (count if condition.max_words is None else condition.max_words):
            return False
    least, most = condition.min_chars or 0, condition.max_chars
    return least <= len(text) <= (len(text) if most is None else most)


def _found(patterns: Sequence[str], text: str) -> bool:
    return not patterns or _joined(tuple(patterns)).search(_ends(text)) is not None


def _ends(text: str) -> str:
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"


@lru_cache(maxsize=1024)
def _joined(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
