"""The example configurations: settings with two language models, and a skill folder of one's own. No network."""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from processors.llm.config import Route
from processors.llm.routes import choose, order
from processors.skills import LIBRARY, load_skills
from streams.cli import main
from streams.language_models import endpoints, routes
from streams.settings import Settings, load
from tests.examples import EXAMPLES


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    return load(EXAMPLES / "gpt4_and_qwen" / "siftstream.toml")


@pytest.fixture
def both(settings: Settings) -> tuple[Route, ...]:
    return routes(settings, list(endpoints(settings)))


def test_the_two_models_have_prices_and_budgets(settings: Settings) -> None:
    found = endpoints(settings)
    assert list(found) == ["gpt4", "qwen"]
    assert found["gpt4"].cost_usd(1000, 1000) == pytest.approx(0.0125)
    assert found["qwen"].cost_usd(1000, 1000) == 0.0
    assert (found["gpt4"].budget_usd, settings.budget.usd) == (20.0, 50.0)
    assert settings.budget.stages["synthesis"].tokens == 2_000_000


@pytest.mark.parametrize(
    ("stage", "task_type", "language", "asked"),
    [
        ("synthesis", "planning", "en", ("qwen",)),
        ("answering", "planning", "zh", ("qwen", "gpt4")),
        ("answering", "coding_python", "en", ("qwen", "gpt4")),
    ],
)
def test_requests_go_where_the_comments_say(
    both: tuple[Route, ...], stage: str, task_type: str, language: str, asked: tuple[str, ...]
) -> None:
    assert order(choose(both, stage=stage, task_type=task_type, language=language), "some id") == asked


def test_three_of_four_other_prompts_ask_gpt4_first(both: tuple[Route, ...]) -> None:
    route = choose(both, stage="answering", task_type="planning", language="en")
    first = Counter(order(route, f"sample {number}")[0] for number in range(2000))
    assert first["gpt4"] / first.total() == pytest.approx(0.75, abs=0.04)


def test_the_task_types_of_the_routes_are_in_the_library(both: tuple[Route, ...]) -> None:
    assert {name for route in both for name in route.task_types} <= load_skills(LIBRARY).keys()


def test_the_skill_folder_has_no_fault_and_joins_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folder = EXAMPLES / "own_skills"
    checked = CliRunner().invoke(main, ["skills", "check", str(folder)])
    assert (checked.exit_code, checked.output.strip()) == (0, "1 task types, 5 seeds: no fault")
    monkeypatch.setenv("SIFT_SYNTHESIS_SKILLS", str(folder))
    listed = CliRunner().invoke(main, ["skills", "list"], env={"COLUMNS": "200", "XDG_CACHE_HOME": str(tmp_path)})
    assert "Write a commit message" in listed.output
