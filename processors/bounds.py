"""Bounds of settings, written beside the field: ``max_items: Positive = 64``.

A configuration that uses them is a pydantic dataclass (`pydantic.dataclasses.dataclass`), which checks its fields
when it is made: ``ValidationError``, a ValueError that names the field, the bound and the value.
"""

from typing import Annotated

from pydantic import Field

Positive = Annotated[int, Field(ge=1)]
"""A whole number, at least 1."""
NotNegative = Annotated[int, Field(ge=0)]
"""A whole number, at least 0."""
AboveZero = Annotated[float, Field(gt=0)]
"""A number above 0."""
AtLeastZero = Annotated[float, Field(ge=0)]
"""A number, at least 0."""
Share = Annotated[float, Field(gt=0, le=1)]
"""A share above 0, at most 1."""
Weight = Annotated[float, Field(ge=0, le=1)]
"""A weight from 0 to 1."""
Cosine = Annotated[float, Field(ge=-1, le=1)]
"""A cosine from -1 to 1."""
CosineDistance = Annotated[float, Field(ge=0, le=2)]
"""A cosine distance from 0 to 2."""
Percentile = Annotated[float, Field(ge=0, le=100)]
"""A percentile from 0 to 100."""
