"""The gate for code that cannot be parsed. Only Python is read; other languages pass."""

import re

from processors.gates.base import Gate, recorded
from processors.text.python_code import broken_share
from schemas import Sample

_PYTHON = re.compile(r"\bpython\b", re.IGNORECASE)
_OTHER = re.compile(
    r"java|c\+\+|c#|\bc\b|ruby|rust|\bgo\b|golang|php|perl|swift|kotlin|sql|html|css|bash|shell|\br\b|pseudo|伪代码"
    r"|scala|matlab|json|yaml|xml|react|typescript|haskell|latex|regex|error|fix|debug|wrong|bug|invalid",
    re.IGNORECASE,
)
"""Words of requests whose answers may hold other code, or wrong code on purpose."""


def broken(sample: Sample, answer: str) -> float | None:
    """Return the share of the answer's Python blocks that cannot be parsed, in [0, 1]; None if it has none."""
    asked = sample.prompt.text()
    named = bool(_PYTHON.search(asked)) or sample.task_type == "coding_python"
    return broken_share(answer, is_python=named or not _OTHER.search(asked))


GATE = Gate(
    name="broken_code",
    meaning="the answer's Python code cannot be parsed",
    source="Python's own parser (ast); benchmarks/gates.py",
    measure=broken,
    suspicion=recorded("broken_code"),
)
