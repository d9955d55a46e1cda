"""The settings of rewriting, in a module of their own so that reading the settings loads no rules."""

from pathlib import Path

from pydantic.dataclasses import dataclass

from processors.bounds import Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritingConfig:
    """The rules for collected records, and how many records are processed at a time."""

    rules: Path | None = None
    """TOML file that replaces the shipped rules/collection.toml entirely."""
    operators: Path | None = None
    """TOML file that replaces the shipped rules/operators.toml entirely."""
    max_in_flight: Positive = 32
    """Most records at a time; each needs as many calls as it has rewrites."""
