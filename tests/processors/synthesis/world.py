"""A simulated world for synthesis: task types with finite subjects, unequal cost and unequal value, without a model."""

import math
import random
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from processors.synthesis.policy import Choice, SamplingPolicy
from processors.synthesis.pool import NAME
from schemas import Decision, Prompt, Sample, Step, sample_id

WEIGHT = 0.1
"""The weight of the deficit, as the keep rule has it by default."""


def decided(
    instruction: str = "Tell a tale.",
    *,
    kept: bool = True,
    cluster: int | None = 0,
    deficit: float = 1.0,
    tokens: int = 1000,
    **changes: Any,
) -> Sample:
    """Return a decided synthetic sample; `changes` replace fields. Two thirds of the tokens are answers."""
    prompt = Prompt(instruction=instruction)
    decision = Decision(
        outcome="curated" if kept else "rejected",
        reason="gain" if kept else "near_duplicate",
        rule="streaming_gain",
        input_offset=0,
        cluster=cluster,
        deficit=WEIGHT * math.log(deficit) if kept else None,
    )
    third = tokens // 3
    steps = (
        Step(stage=NAME, at="", tokens_in=third),
        Step(stage="answering", at="", tokens_in=third, tokens_out=tokens - 2 * third),
        Step(stage="scoring", at="", tokens_in=777),
    )
    fields: dict[str, Any] = {"sample_id": sample_id(prompt), "prompt": prompt, "decision": decision}
    fields |= {"task_type": "tales", "language": "en", "lineage": steps}
    return Sample(**(fields | changes))


@dataclass(frozen=True)
class Kind:
    """A task type: its number of subjects, the cost of a prompt with its answer, and the number worth keeping."""

    subjects: int
    tokens: int
    worth: float


KINDS = {
    "rich": Kind(600, 300, 0.9),
    "rich_and_dear": Kind(600, 1500, 0.9),
    "plain": Kind(300, 500, 0.5),
    "plain_and_dear": Kind(300, 1500, 0.5),
    "small": Kind(20, 300, 0.9),
    "tiny": Kind(5, 300, 0.9),
    "poor": Kind(300, 400, 0.1),
    "barren": Kind(300, 700, 0.0),
}
_PER_CLUSTER = 10


class World:
    """Answers choices with decided samples, `delay` calls later. A subject is kept once. `price` multiplies tokens."""

    def __init__(self, policy: SamplingPolicy, seed: int, delay: int = 0, price: int = 1) -> None:
        self.calls: Counter[str] = Counter()
        self.kept: Counter[tuple[str, int]] = Counter()
        self.tokens = 0
        self._policy = policy
        self._rng = random.Random(seed)
        self._delay = delay
        self._price = price
        self._under_way: deque[Sample] = deque()
        self._known: set[tuple[str, int]] = set()

    def spend(self, tokens: int) -> float:
        """Make calls for so many tokens; return the number of samples kept per 1,000 tokens."""
        while self.tokens < tokens:
            sample = self._call(self._policy.choose())
            self._under_way.append(sample)
            if len(self._under_way) > self._delay:
                self._policy.observe(self._under_way.popleft())
        return 1000.0 * self.kept.total() / self.tokens

    def _call(self, choice: Choice) -> Sample:
        kind, name = KINDS[choice.task_type], choice.task_type
        subject = self._rng.randrange(kind.subjects)
        cluster = (name, subject // _PER_CLUSTER)
        kept = (name, subject) not in self._known and self._rng.random() < kind.worth
        mean = self.kept.total() / max(len(self.kept), 1)
        deficit = min(max(mean / (self.kept[cluster] + 0.5), 0.05), 20.0)
        self.calls[name] += 1
        self.tokens += kind.tokens * self._price
        if kept:
            self._known.add((name, subject))
            self.kept[cluster] += 1
        number = 1000 * list(KINDS).index(name) + cluster[1]
        tokens = kind.tokens * self._price
        return decided(f"{name} {subject}", kept=kept, cluster=number, deficit=deficit, tokens=tokens, task_type=name)
