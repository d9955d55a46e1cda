"""Tokens and money, and the amounts of one scope: the arithmetic of `processors.llm.budget`."""

import math
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["tokens", "usd"]
UNITS: tuple[Unit, ...] = ("tokens", "usd")
_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Spend:
    """Tokens (in and out together) and money, in whole billionths of a dollar: sums are exact in any order."""

    tokens: int = 0
    nano_usd: int = 0

    @classmethod
    def of(cls, *, tokens: int, usd: float) -> "Spend":
        """Convert a price in dollars, rounded to a billionth. Raises ValueError if one is negative or not finite."""
        if tokens < 0 or not 0 <= usd < math.inf:
            raise ValueError(f"{tokens} tokens and {usd} usd: both must be finite and not negative")
        return cls(tokens, round(usd * _NANO))

    @property
    def usd(self) -> float:
        """The money in dollars."""
        return self.nano_usd / _NANO

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(self.tokens + other.tokens, self.nano_usd + other.nano_usd)

    def __sub__(self, other: "Spend") -> "Spend":
        return Spend(self.tokens - other.tokens, self.nano_usd - other.nano_usd)

    def __neg__(self) -> "Spend":
        return Spend() - self

    def raised_by(self, more: "Spend") -> "Spend":
        """Return this limit raised by `more`; no limit (0) stays no limit."""
        return Spend(self.tokens and self.tokens + more.tokens, self.nano_usd and self.nano_usd + more.nano_usd)

    def counted(self, unit: Unit) -> int:
        """Return the amount in one unit, as a whole number: tokens, or billionths of a dollar."""
        return self.tokens if unit == "tokens" else self.nano_usd

    def described(self, unit: Unit) -> str:
        """Return the amount in one unit, for a person."""
        return f"{self.tokens} tokens" if unit == "tokens" else f"{self.usd:.6g} usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeState:
    """The limit and the amounts of one scope: ``total``, ``stage:NAME`` or ``endpoint:NAME``."""

    scope: str
    limit: Spend = field(default_factory=Spend)
    """The limit, raises included; 0 in a unit is no limit."""
    spent: Spend = field(default_factory=Spend)
    """The cost of finished calls."""
    presumed: Spend = field(default_factory=Spend)
    """An upper bound on the cost of calls that were in flight when their process died."""
    reserved: Spend = field(default_factory=Spend)
    """An upper bound on the cost of calls in flight."""
    refused: Spend = field(default_factory=Spend)
    """The amount that the last call wanted, if it was refused here."""

    @property
    def taken(self) -> Spend:
        """The amount counted against the limit."""
        return self.spent + self.presumed + self.reserved

    @property
    def left(self) -> Spend:
        """The amount that may still be reserved; negative after calls that cost more than predicted; void without a
        limit.
        """
        return self.limit - self.taken

    @property
    def exhausted(self) -> list[Unit]:
        """The units in which calls are refused: nothing is left, or less than the last refused call wanted."""
        left, refused = self.left, self.refused
        return [u for u in UNITS if self.limit.counted(u) and left.counted(u) < max(refused.counted(u), 1)]

    def short_of(self, wanted: Spend) -> list[Unit]:
        """Return the units in which less than `wanted` is left. A cost of 0 always fits."""
        left = self.left
        return [u for u in UNITS if self.limit.counted(u) and wanted.counted(u) > max(left.counted(u), 0)]
