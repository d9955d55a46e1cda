"""The examples, run as a user runs them."""

import os
from collections.abc import Mapping

from tests.paths import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def environment(**changes: str) -> Mapping[str, str]:
    """Return the environment of a program that imports the packages of this checkout."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY)} | changes
