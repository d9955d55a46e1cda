"""Samples and small files of rules for the tests of rewriting."""

from pathlib import Path
from typing import Any

from processors.rewriting.operators import load_operators
from processors.rewriting.plan import Planner
from processors.rewriting.rules import load_rules
from schemas import Answer, Prompt, Sample, sample_id

SHOUT = """
[[operators]]
name = "shout"
title = "T"
description = "D."
makes = "instruction"
template = "Shout as {who}: {instruction}"
parameters = { who = ["a sailor", "a cook"] }
"""
REST = '[[rules]]\nname = "rest"\n'


def collected(instruction: str, input: str = "", answer: str = "", **fields: Any) -> Sample:
    """Return a sample as ingestion makes it."""
    prompt, given = Prompt(instruction=instruction, input=input), Answer(text=answer) if answer else None
    return Sample(sample_id=sample_id(prompt, given), prompt=prompt, answer=given, **fields)


def planner(folder: Path, rules: str, operators: str = SHOUT) -> Planner:
    """Build a planner from the text of two files; a rule that takes the rest is added."""
    (folder / "operators.toml").write_text(operators, "utf-8")
    (folder / "rules.toml").write_text(rules + REST, "utf-8")
    known = load_operators(folder / "operators.toml")
    return Planner(load_rules(known, folder / "rules.toml"), known)
