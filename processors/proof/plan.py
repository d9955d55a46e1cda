"""The plan of a proof, written down before the first model learns, and the results so far: both outlive a kill."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from processors.durable_files import append_line, whole_lines, write_atomically

PLAN, RESULTS = "plan.json", "results.jsonl"


class AnotherPlan(ValueError):
    """The folder holds a proof with other settings, data or code; the message says where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the result.

    `data` maps ``samples`` to the SHA-256 of all samples with their decisions. `arms` maps each arm to its number of
    draws, in the order in which they run. `held_out` are sample ids, `tokens` their answer tokens.
    """

    version: str
    data: Mapping[str, str]
    student: str
    student_hash: str
    rule: str
    keep_rate: float
    answer_tokens: int
    learning_rate: float
    step_tokens: int
    seed: int
    arms: Mapping[str, int]
    pool: int
    defective: int | None
    held_out: Sequence[str]
    tokens: Sequence[int]

    @property
    def steps(self) -> int:
        """The steps of every run."""
        return max(1, round(self.answer_tokens / self.step_tokens))

    def runs(self) -> Iterator[tuple[str, int]]:
        """Yield every arm with the number of each of its draws: the first draws of all arms, then the second."""
        for number in range(max(self.arms.values())):
            yield from ((arm, number) for arm, draws in self.arms.items() if number < draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One arm and draw: NLL in nats, a sum per held-out row, and how it came about."""

    arm: str
    draw: int
    nll: Sequence[float]
    samples: int
    answer_tokens: int
    defective: int
    cost_usd: float
    seconds: float


class Record:
    """The folder of one proof."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Write the plan down, or go on with it if it is there. Raises AnotherPlan if another one is."""
        folder.mkdir(parents=True, exist_ok=True)
        self._results = folder / RESULTS
        now, file = json.loads(json.dumps(asdict(plan))), folder / PLAN
        if not file.exists():
            self._results.unlink(missing_ok=True)  # of a plan that somebody has removed
            write_atomically(file, json.dumps(now, indent=2, ensure_ascii=False).encode(), durable=True)
        before: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if differing := sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key)):
            raise AnotherPlan(
                f"{folder} holds another proof, which differs in {', '.join(differing)}: "
                "name another folder with --out, or remove that one"
            )

    def results(self) -> list[Result]:
        """Return the results so far; a line that a kill has cut off is left out."""
        return [Result(**json.loads(line)) for line in whole_lines(self._results)]

    def add(self, result: Result) -> None:
        """Append a result; it is on disk when this returns. Call `results` once before."""
        append_line(self._results, json.dumps(asdict(result)).encode())
