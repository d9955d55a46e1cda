"""The plan comes first and cannot be changed behind a result; results outlive a kill."""

from dataclasses import replace
from pathlib import Path

import pytest

from processors.proof.plan import PLAN as PLAN_FILE
from processors.proof.plan import RESULTS, AnotherPlan, Plan, Record, Result
from processors.proof.verdict import judge

PLAN = Plan(
    version="1",
    data={"samples": "ab"},
    student="smollm2-135m",
    student_hash="0",
    rule="band",
    keep_rate=0.5,
    answer_tokens=1000,
    learning_rate=1e-4,
    step_tokens=500,
    seed=0,
    arms={"base": 1, "random": 3, "curated": 3, "oracle": 3},
    pool=100,
    defective=30,
    held_out=["a", "b"],
    tokens=[100, 200],
)


def result(arm: str, draw: int, nll: float) -> Result:
    return Result(
        arm=arm,
        draw=draw,
        nll=[100 * nll, 200 * nll + draw],
        samples=10,
        answer_tokens=1010,
        defective=3,
        cost_usd=0.5,
        seconds=1.0,
    )


def test_all_arms_have_a_draw_before_any_has_two() -> None:
    assert list(PLAN.runs())[:6] == [
        ("base", 0),
        ("random", 0),
        ("curated", 0),
        ("oracle", 0),
        ("random", 1),
        ("curated", 1),
    ]
    assert len(list(PLAN.runs())) == 10


def test_results_are_found_again_and_a_torn_line_is_dropped(tmp_path: Path) -> None:
    record = Record(tmp_path, PLAN)
    record.add(result("base", 0, 2.0))
    with (tmp_path / RESULTS).open("ab") as file:
        file.write(b'{"arm": "rand')  # killed here
    again = Record(tmp_path, PLAN)
    assert again.results() == [result("base", 0, 2.0)]
    again.add(result("random", 0, 1.5))
    assert Record(tmp_path, PLAN).results() == [result("base", 0, 2.0), result("random", 0, 1.5)]


def test_another_plan_is_refused(tmp_path: Path) -> None:
    Record(tmp_path, PLAN)
    with pytest.raises(AnotherPlan, match="differs in keep_rate, seed: name another folder with --out"):
        Record(tmp_path, replace(PLAN, keep_rate=0.2, seed=1))


def test_results_of_a_plan_that_is_gone_are_not_used(tmp_path: Path) -> None:
    Record(tmp_path, PLAN).add(result("base", 0, 2.0))
    (tmp_path / PLAN_FILE).unlink()
    assert Record(tmp_path, replace(PLAN, seed=1)).results() == []


def results(curated: float, oracle: float) -> list[Result]:
    levels = {"base": 2.0, "random": 1.6, "curated": curated, "oracle": oracle}
    return [result(arm, draw, levels[arm]) for arm, draw in PLAN.runs()]


def test_it_says_first_whether_anyone_can_be_judged() -> None:
    verdict = judge(PLAN, results(curated=1.5, oracle=1.4))
    assert verdict.sentences == [
        "This pool and budget can tell arms apart: oracle differs from a random draw.",
        "Curated samples are better than a random draw.",
    ]
    assert [row.arm for row in verdict.rows] == ["oracle", "curated", "random", "base"]
    assert {row.arm: row.defective for row in verdict.rows} == dict.fromkeys(PLAN.arms, 0.3)


def test_a_null_is_a_null() -> None:
    verdict = judge(PLAN, results(curated=1.6, oracle=1.6))
    assert verdict.sentences[0].startswith("This pool and budget cannot judge anyone: even oracle does not differ")
    assert verdict.sentences[1] == "Curated samples and a random draw cannot be told apart."


def test_worse_is_worse() -> None:
    assert judge(PLAN, results(curated=1.8, oracle=1.4)).sentences[1] == "Curated samples are worse than a random draw."
