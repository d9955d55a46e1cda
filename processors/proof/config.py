"""The choices of a proof, in a module of their own so that the command line starts quickly."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofConfig:
    """The budget of every arm in answer tokens, the draws of each, the rows to measure with, and the student.

    `label` names the label of rows that are known to be bad. Arms are sets made by the keep rule and the gates, or the
    answers of each `model`; `only` names some of them, and random draws are always made. The learning rate is the
    highest one. Every step learns about `step_tokens` answer tokens: all arms make as many steps.
    """

    answer_tokens: int = 12_000
    draws: int = 5
    held_out: int = 120
    student: str = ""
    learning_rate: float = 1e-4
    step_tokens: int = 1_000
    seed: int = 0
    label: str = "defect"
    by: Literal["rule", "model"] = "rule"
    only: tuple[str, ...] = ()
