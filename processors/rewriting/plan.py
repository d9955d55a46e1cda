"""The plan for a collected record: its rule, its task type, and the rewrites to make of it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from processors.rewriting.matching import first_rule
from processors.rewriting.operators import TARGET, Operator
from processors.rewriting.rules import Rewrite, Rule
from processors.text.language import guess_language
from schemas import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRewrite:
    """One rewrite: its `number` among the rule's rewrites (from 1), and the choice made for each parameter."""

    number: int
    operator: Operator
    chosen: dict[str, str]

    def language(self, original: str) -> str:
        """Return the language of the rewrite, given that of the original."""
        return self.chosen[TARGET] if self.operator.makes == "translation" else original


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rule that took the record, and the rewrites and the task type that follow for this one."""

    rule: Rule
    task_type: str
    rewrites: tuple[PlannedRewrite, ...]

    @property
    def keep(self) -> bool:
        """Whether the original is kept: always if no rewrite replaces it."""
        return self.rule.keep or not self.rewrites


class Planner:
    """Makes plans. Nothing is random: shares and choices come from a hash of the sample's id, so plans repeat."""

    def __init__(self, rules: Sequence[Rule], operators: Mapping[str, Operator]) -> None:
        self.rules = rules
        self.operators = operators

    def plan(self, sample: Sample) -> Plan:
        """Make the plan for one sample."""
        rule = first_rule(self.rules, sample)
        planned = (self._planned(sample, rule.name, *item) for item in zip(count(1), rule.rewrites, strict=False))
        rewrites = tuple(one for one in planned if one is not None)
        return Plan(rule=rule, task_type=rule.task_type or sample.task_type, rewrites=rewrites)

    def _planned(self, sample: Sample, rule: str, number: int, rewrite: Rewrite) -> PlannedRewrite | None:
        operator = self.operators[rewrite.operator]
        draws = _draws(sample.sample_id, rule, number)
        if next(draws) >= rewrite.share or not operator.takes(sample.prompt, language_of(sample)):
            return None
        choices = operator.parameters | rewrite.parameters
        if operator.makes == "translation":
            # Latin letters give no guess; English is by far the likeliest of the languages that use them.
            choices[TARGET] = tuple(code for code in choices[TARGET] if code != (language_of(sample) or "en"))
        if not all(choices.values()):
            return None
        chosen = {name: choices[name][int(next(draws) * len(choices[name]))] for name in sorted(choices)}
        return PlannedRewrite(number=number, operator=operator, chosen=chosen)


def language_of(sample: Sample) -> str:
    """Return the sample's language, or a guess; empty if unknown."""
    return sample.language or guess_language(sample.prompt.text())


def _draws(*names: object) -> Iterator[float]:
    """Yield numbers in [0, 1) that look random and are always the same for the same names."""
    for turn in count():
        digest = hashlib.blake2b("\n".join(map(str, (*names, turn))).encode(), digest_size=6).digest()
        yield int.from_bytes(digest) / 2**48
