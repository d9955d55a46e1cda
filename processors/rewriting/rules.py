"""The rules of collection: the task type of each record, and the rewrites made of it (rules/collection.toml)."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, with_config

from processors.rewriting.operators import Choices, Operator, parameter_faults
from processors.rewriting.tables import FOLDER, meant, read_table, refuse
from processors.skills import Filled, Language
from schemas.types import CLOSED, Bool, Count, Float, Text

SHIPPED = FOLDER / "collection.toml"


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


Pattern = Annotated[Filled, AfterValidator(_compiles)]
Patterns = tuple[Pattern, ...]
"""Regular expressions of which one must match, in any case; `^` and `$` are the text's two ends."""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The requirements of a record; all that are set must hold, so an empty condition always holds.

    `instruction`, `input` and `answer` are patterns. Lengths are those of instruction and input together; a Chinese
    character counts as a word. `sources` are values of the label `dataset`, `task_types` those of the records.
    """

    instruction: Patterns = ()
    input: Patterns = ()
    answer: Patterns = ()
    min_chars: Count | None = None
    max_chars: Count | None = None
    min_words: Count | None = None
    max_words: Count | None = None
    languages: tuple[Language, ...] = ()
    sources: tuple[Filled, ...] = ()
    task_types: tuple[Filled, ...] = ()
    has_task_type: Bool | None = None
    has_input: Bool | None = None
    has_answer: Bool | None = None
    has_code: Bool | None = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One rewrite that a rule asks for: an operator, for a `share` of the records, with choices for its parameters."""

    operator: Filled
    share: Annotated[Float, Field(gt=0, le=1)] = 1.0
    parameters: dict[Text, Choices] = field(default_factory=dict)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Takes the records for which `when` holds and `unless` does not, if no earlier rule took them.

    They get the `task_type` (if it is empty, they keep theirs), the original is kept unless `keep` is false, and
    `rewrites` are made of it.
    """

    name: Filled
    task_type: Text = ""
    when: Condition = field(default_factory=Condition)
    unless: Condition | None = None
    keep: Bool = True
    rewrites: tuple[Rewrite, ...] = ()

    @property
    def takes_everything(self) -> bool:
        """Whether the rule takes every record."""
        return self.when == Condition() and self.unless is None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    rules: tuple[Rule, ...]


def load_rules(operators: Mapping[str, Operator], file: Path = SHIPPED) -> tuple[Rule, ...]:
    """Load the rules of a file, in their order. Raises RulesError, which names every fault.

    The last rule, and only the last, must take everything: so the file decides about every record.
    """
    rules = read_table(file, _File).rules
    faults = [fault for number, rule in enumerate(rules, 1) for fault in _faults(rule, number, operators)]
    names = Counter(rule.name for rule in rules)
    faults += [f"rules: {name} is defined {count} times" for name, count in names.items() if count > 1]
    faults += [
        f"rules {number}: takes every record, so that no rule below it is reached"
        for number, rule in enumerate(rules[:-1], 1)
        if rule.takes_everything
    ]
    if not rules or not rules[-1].takes_everything:
        faults.append("rules: the last one must take everything: give it a name, and neither when nor unless")
    refuse(file, faults)
    return rules


def _faults(rule: Rule, number: int, operators: Mapping[str, Operator]) -> list[str]:
    faults = []
    if not rule.keep and not any(rewrite.share == 1 for rewrite in rule.rewrites):
        faults.append(f"rules {number}.keep: a record that is not kept needs a rewrite with a share of 1")
    for index, rewrite in enumerate(rule.rewrites, 1):
        place = f"rules {number}.rewrites {index}"
        operator = operators.get(rewrite.operator)
        if operator is None:
            faults.append(f"{place}.operator: unknown {rewrite.operator!r}; {meant(rewrite.operator, list(operators))}")
        else:
            faults += [f"{place}.parameters: {fault}" for fault in parameter_faults(operator, rewrite.parameters)]
    return faults
