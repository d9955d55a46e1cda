"""Scalar types that mean exactly the same as in JSON: no coercion, no NaN, no infinity, no unknown field.

By default pydantic would read ``"1"`` as 1 and ``1`` as ``True``; a sample must be read as it was written, so every
scalar of a message is strict. NaN and infinity have no JSON form (RFC 8259, section 6): orjson would silently write
them as ``null``, so messages refuse them when they are made (`finite`) and when they are read.
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
"""A message with an unknown field is refused, because dropping the field would silently lose data."""


def finite(values: Mapping[str, object]) -> None:
    """Raise ValueError if a float among the named `values` is NaN or infinite; all other values pass."""
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}: a message holds finite numbers only")
