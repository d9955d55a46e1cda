"""Pools for tests."""

from processors.skills import LIBRARY, load_skills
from processors.synthesis.pool import NAME, Pool
from processors.synthesis.seeds import seed_samples
from schemas import Prompt, Sample, Step, sample_id


def human(instruction: str, task_type: str = "tales", language: str = "en", text: str = "") -> Sample:
    """Return a prompt as a person gives it."""
    prompt = Prompt(instruction=instruction, input=text)
    return Sample(sample_id=sample_id(prompt), prompt=prompt, task_type=task_type, language=language)


def made(instruction: str, task_type: str = "tales", language: str = "en") -> Sample:
    """Return a prompt as synthesis makes it."""
    return human(instruction, task_type, language).advance(Step(stage=NAME, at=""))


def pool_of(*samples: Sample) -> Pool:
    """Return a pool with these prompts."""
    pool = Pool()
    for sample in samples:
        pool.add(sample)
    return pool


def library() -> Pool:
    """Return a pool with the shipped skill library."""
    return pool_of(*(sample for kind in load_skills(LIBRARY).values() for sample in seed_samples(kind, "")))
