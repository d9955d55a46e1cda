"""Tokens and money, and how much of a scope's limit is taken. What `processors.llm.budget` counts with."""

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
        """From a price in dollars, rounded to a billionth. Raises ValueError where one is negative or not finite."""
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
        """As a limit: no limit (0) stays none."""
        return Spend(self.tokens and self.tokens + more.tokens, self.nano_usd and self.nano_usd + more.nano_usd)

    def counted(self, unit: Unit) -> int:
        """In one unit, as a whole number: tokens, or billionths of a dollar."""
        return self.tokens if unit == "tokens" else self.nano_usd

    def described(self, unit: Unit) -> str:
        """In one unit, for a person."""
        return f"{self.tokens} tokens" if unit == "tokens" else f"{self.usd:.6g} usd"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeState:
    """How much of one scope is taken: ``total``, ``stage:NAME`` or ``endpoint:NAME``."""

    scope: str
    limit: Spend = field(default_factory=Spend)
    """What may be taken, raises included; 0 in a unit is no limit."""
    spent: Spend = field(default_factory=Spend)
    """What finished calls took."""
    presumed: Spend = field(default_factory=Spend)
    """What calls may have taken that were in flight when their process died."""
    reserved: Spend = field(default_factory=Spend)
    """What calls in flight may take at most."""
    refused: Spend = field(default_factory=Spend)
    """What the last call asked for, if it was refused here."""

    @property
    def taken(self) -> Spend:
        """What counts against the limit."""
        return self.spent + self.presumed + self.reserved

    @property
    def left(self) -> Spend:
        """What may still be reserved; below 0 where calls took more than predicted. Means nothing without a limit."""
        return self.limit - self.taken

    @property
    def exhausted(self) -> list[Unit]:
        """The units in which calls are refused: nothing is left, or less than the last one refused had asked for."""
        left, refused = self.left, self.refused
        return [u for u in UNITS if self.limit.counted(u) and left.counted(u) < max(refused.counted(u), 1)]

    def short_of(self, wanted: Spend) -> list[Unit]:
        """The units in which less than `wanted` is left. Of what is free there is always enough."""
        left = self.left
        return [u for u in UNITS if self.limit.counted(u) and wanted.counted(u) > max(left.counted(u), 0)]
