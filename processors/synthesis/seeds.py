"""Seeds as samples: the contents of a task type file in the form that the `seeds` topic carries."""

from collections.abc import Iterator
from dataclasses import dataclass

from processors.skills import TaskType
from schemas import Prompt, Sample, Step, sample_id
from schemas.types import Scalar

NAME = "skills"
"""The stage in the lineage of a seed; its step names the kind of its task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A task type as described to a model, and whether it is about code."""

    name: str
    title: str
    description: str = ""
    code: bool = False


def seed_samples(task_type: TaskType, at: str) -> Iterator[Sample]:
    """Yield the prompts of a task type, numbered from 1; `at` is UTC in RFC 3339."""
    for number, seed in enumerate(task_type.seeds, 1):
        prompt = Prompt(instruction=seed.instruction, input=seed.input)
        params: dict[str, Scalar] = {"seed": f"{task_type.name}/{number}", "code": task_type.code}
        params |= {"title": task_type.title, "description": task_type.description}
        yield Sample(
            sample_id=sample_id(prompt),
            prompt=prompt,
            task_type=task_type.name,
            language=seed.language,
            labels={"dataset": "skills"},
            lineage=(Step(stage=NAME, at=at, params=params),),
        )


def seed_name(sample: Sample) -> str:
    """Return the name in lineages: ``<task type>/<n>`` for a seed from a file, else its id."""
    return next((str(step.params["seed"]) for step in sample.lineage if "seed" in step.params), sample.sample_id)


def kind_of(sample: Sample) -> Kind | None:
    """Return the kind that a seed from a file carries, or None for any other sample."""
    for step in sample.lineage:
        if step.stage == NAME and "title" in step.params:
            found = step.params
            return Kind(
                name=sample.task_type,
                title=str(found["title"]),
                description=str(found.get("description", "")),
                code=found.get("code") is True,
            )
    return None
