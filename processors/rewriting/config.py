"""How rewriting is configured: apart from the rewriter, so that reading the settings loads no rules."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingConfig:
    """Which rules collected records meet, and how many of them are worked on at a time."""

    rules: Path | None = None
    """TOML file that replaces the shipped rules/collection.toml as a whole."""
    operators: Path | None = None
    """TOML file that replaces the shipped rules/operators.toml as a whole."""
    max_in_flight: int = 32
    """Records at a time, each with as many calls as it has rewrites."""

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError("max_in_flight is at least 1")
