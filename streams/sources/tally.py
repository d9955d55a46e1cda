"""What came of a run of synthesis, as figures."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from processors.synthesis.self_instruct import Harvest


@dataclass(slots=True)
class Row:
    """What came of one task type."""

    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    cost_usd: float = 0.0
    models: set[str] = field(default_factory=set)

    def add(self, harvest: Harvest) -> None:
        """Count a call."""
        found = harvest.feedback()
        self.accepted += found.accepted
        self.reasons += harvest.reasons
        self.tokens += found.tokens
        self.cost_usd += found.cost_usd
        self.models.add(harvest.completion.model)

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "accepted": self.accepted,
            "rejected": dict(sorted(self.reasons.items())),
            "tokens": self.tokens,
            "tokens_per_accepted": self.tokens / self.accepted if self.accepted else None,
            "cost_usd": self.cost_usd,
            "models": sorted(self.models),
        }


@dataclass(slots=True)
class Tally:
    """What came of a run: by task type, and in all. `confirmed` prompts stand in both topics; `failed` are calls."""

    rows: dict[str, Row] = field(default_factory=dict)
    total: Row = field(default_factory=Row)
    confirmed: int = 0
    calls: int = 0
    failed: int = 0

    def add(self, harvest: Harvest) -> None:
        """Count a call."""
        self.calls += 1
        for row in (self.rows.setdefault(harvest.choice.task_type, Row()), self.total):
            row.add(harvest)

    @property
    def candidates(self) -> int:
        """Everything that models proposed, and replies without any proposal."""
        return self.total.accepted + self.total.reasons.total()

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        by_type = {name: row.data() for name, row in sorted(self.rows.items())}
        return {**self.total.data(), "calls": self.calls, "failed_calls": self.failed, "task_types": by_type}
