"""Coverage-guided synthesis: a bandit over task types that is paid for kept samples, and more for rare topics.

If only yield is paid, a bandit prefers the easiest task types, and variety falls below that of uniform draws. So a kept
sample pays by the deficit of its topic, and examples come from sparse clusters. The same idea as Prismatic Synthesis
(arXiv 2505.20161), online and in the space of embeddings.
"""

import copy
import math
import random
from collections import deque
from collections.abc import Callable, Sequence

from river import bandit, stats

from processors.synthesis.policy import Choice, Feedback
from processors.synthesis.pool import NAME, is_synthetic
from processors.synthesis.sparse_clusters import KeptPrompts
from schemas import Sample

_PAID = (NAME, "answering")
_HIGHEST = 3.0
_MOST_WAITING = 64
"""Calls without a decision so far; older ones are counted as lost."""


class CoverageGuided:
    """Draws task types by upper confidence bounds on the earnings of their tokens; languages as often as each other.

    A decided sample earns its `worth`, times the usual tokens of a sample over its own: yield per token, on a scale on
    which the confidence bound has the right size for models that write little or much.

    Rewards are not stationary (a task type dries up, a topic fills), so their mean forgets: `stats.EWMean`. Decisions
    arrive long after the call; until then a call counts as one without reward, or else all calls in between would go to
    one task type. Calls that brought no sample are forgotten with the process; the rest is learnt again from the
    feedback. Equal seeds and equal events in equal order give equal choices.
    """

    name = "coverage"

    def __init__(
        self,
        task_types: Callable[[], Sequence[str]],
        languages: Sequence[str],
        rng: random.Random,
        *,
        exponent: float,
        deficit_weight: float,
    ) -> None:
        """`exponent` of the deficit: 0 pays for yield alone. `deficit_weight` is that of the keep rule."""
        self._task_types = task_types
        self._languages = languages
        self._rng = rng
        self._exponent = exponent
        self._deficit_weight = deficit_weight
        self._bandit = bandit.UCB(delta=0.3, reward_obj=stats.EWMean(0.1), burn_in=1, seed=rng.getrandbits(31))
        self._usual_tokens = stats.EWMean(0.01)
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._kept = KeptPrompts()

    def choose(self) -> Choice:
        """Choose the task type with the highest bound, with examples from its sparse clusters."""
        task_type, language = self._pull(), self._rng.choice(self._languages)
        self._waiting.append(task_type)
        found = self._kept.sparse(task_type, language, self._rng)
        return Choice(task_type=task_type, language=language, examples=found.examples, avoid=found.avoid)

    def _pull(self) -> str:
        arms = list(self._task_types())
        self._rng.shuffle(arms)  # River takes the first of the arms that were never tried
        expected = copy.deepcopy(self._bandit) if self._waiting else self._bandit
        for arm in self._waiting:
            expected.update(arm, 0.0)
        return str(expected.pull(arms))

    def learn(self, feedback: Feedback) -> None:
        """Record that a call without any sample earned nothing; other calls earn by the decisions on their samples."""
        if feedback.fruitless:
            self._pay(feedback.choice.task_type, 0.0)

    def observe(self, sample: Sample) -> None:
        """Learn from a decided sample."""
        if sample.decision is None:
            return
        if sample.decision.outcome == "curated":
            self._kept.add(sample)
        if is_synthetic(sample):
            self._pay(sample.task_type, self._earned(sample))

    def _earned(self, sample: Sample) -> float:
        tokens = sum(step.tokens_in + step.tokens_out for step in sample.lineage if step.stage in _PAID)
        self._usual_tokens.update(tokens)
        share = self._usual_tokens.get() / tokens if tokens else 1.0  # some endpoints report no tokens
        return worth(sample, self._exponent, self._deficit_weight) * share

    def _pay(self, arm: str, earned: float) -> None:
        self._bandit.update(arm, earned)
        if arm in self._waiting:
            self._waiting.remove(arm)


def worth(sample: Sample, exponent: float, deficit_weight: float) -> float:
    """Return min(3, deficit^exponent) for a kept sample, 0 for any other.

    The deficit is read back from the decision's addend, weight · ln(deficit). Under a rule without that addend it is 1.
    """
    decision = sample.decision
    if decision is None or decision.outcome != "curated":
        return 0.0
    logarithm = (decision.deficit or 0.0) / deficit_weight if deficit_weight else 0.0
    return min(_HIGHEST, math.exp(exponent * logarithm))
