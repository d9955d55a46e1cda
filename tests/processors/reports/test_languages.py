"""Decisions by language."""

from dataclasses import replace
from typing import Any

import pytest

from processors.reports.languages import Languages
from schemas import Decision, Sample
from tests.processors.scored import embedding, scored, unit


def decided(number: int, language: str, cluster: int | None, reason: str = "gain", unknown: float = 0.0) -> Sample:
    outcome: Any = "curated" if reason == "gain" else "rejected"
    decision = Decision(outcome=outcome, reason=reason, rule="streaming_gain", input_offset=number, cluster=cluster)
    vector = replace(embedding(unit(1, 0)), unknown=unknown)
    return scored(number, unit(1, 0), language=language, decision=decision, embedding=vector)


def test_every_language_has_its_figures() -> None:
    languages = Languages()
    for sample in (
        *(decided(number, "en", cluster=number) for number in range(3)),
        decided(3, "en", 2, "near_duplicate"),
        decided(4, "zh", 5, unknown=0.5),
        decided(5, "zh", 5, "near_duplicate", unknown=0.2),
        replace(decided(6, "zh", None, "answering: refusal"), embedding=None),
        decided(7, "", 1, "below_threshold"),
        scored(8, unit(1, 0), language="de"),  # not decided
    ):
        languages.add(sample)
    english, chinese, unknown = languages.rows()
    assert (english.language, english.arrivals, english.kept, english.near_duplicates) == ("en", 4, 3, 0.25)
    assert english.effective_clusters == pytest.approx(2**1.5)  # shares of 1/4, 1/4 and 1/2
    assert (chinese.language, chinese.arrivals, chinese.kept) == ("zh", 3, 1)
    assert (chinese.near_duplicates, chinese.effective_clusters, chinese.unreadable) == (1 / 3, 1.0, 0.5)
    assert (unknown.language, unknown.arrivals, unknown.kept, unknown.unreadable) == ("unknown", 1, 0, 0.0)
