"""The counts of a run of synthesis: prompts, reasons of rejection, tokens and cost."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from processors.synthesis.self_instruct import CallResult


@dataclass(slots=True)
class TaskTypeTally:
    """The counts of one task type."""

    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    cost_usd: float = 0.0
    models: set[str] = field(default_factory=set)

    def add(self, result: CallResult) -> None:
        """Count a call."""
        found = result.feedback()
        self.accepted += found.accepted
        self.reasons += result.reasons
        self.tokens += found.tokens
        self.cost_usd += found.cost_usd
        self.models.add(result.completion.model)

    def data(self) -> dict[str, Any]:
        """Return the data for ``--json``."""
        return {
            "accepted": self.accepted,
            "rejected": dict(sorted(self.reasons.items())),
            "tokens": self.tokens,
            "tokens_per_accepted": self.tokens / self.accepted if self.accepted else None,
            "cost_usd": self.cost_usd,
            "models": sorted(self.models),
        }


@dataclass(slots=True)
class SynthesisTally:
    """The counts of a run, by task type and in total.

    `confirmed` counts the prompts that both topics have acknowledged, `failed` the failed calls.
    """

    rows: dict[str, TaskTypeTally] = field(default_factory=dict)
    total: TaskTypeTally = field(default_factory=TaskTypeTally)
    confirmed: int = 0
    calls: int = 0
    failed: int = 0

    def add(self, result: CallResult) -> None:
        """Count a call."""
        self.calls += 1
        for row in (self.rows.setdefault(result.choice.task_type, TaskTypeTally()), self.total):
            row.add(result)

    @property
    def candidates(self) -> int:
        """The number of prompts that models proposed, plus the replies without any."""
        return self.total.accepted + self.total.reasons.total()

    def data(self) -> dict[str, Any]:
        """Return the data for ``--json``."""
        by_type = {name: row.data() for name, row in sorted(self.rows.items())}
        return {**self.total.data(), "calls": self.calls, "failed_calls": self.failed, "task_types": by_type}
