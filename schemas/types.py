"""Scalar types that mean exactly what JSON says: no coercion, no NaN, no infinity, no unknown field.

pydantic would by default read ``"1"`` as 1 and ``1`` as ``True``; a sample that says one thing must not be read as
another, so every scalar of a message is strict. NaN and infinity have no JSON form (RFC 8259, section 6): orjson would
write them as ``null`` without a word, so messages refuse them when they are made (`finite`) and when they are read.
"""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, Strict

Text = Annotated[str, Strict()]
Int = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=0)]
Bool = Annotated[bool, Strict()]
Float = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Scalar = Text | Bool | Int | Float

CLOSED = ConfigDict(extra="forbid")
"""A message with a field that this version does not know is refused: dropping it in silence would lose data."""


def finite(values: Mapping[str, object]) -> None:
    """Raise ValueError for a float among the named `values` that is NaN or infinite; anything else passes."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}: a message holds finite numbers only")
