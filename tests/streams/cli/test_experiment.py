"""The command that compares policies, with the real small model and the real scorer."""

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from streams.cli import main

pytestmark = pytest.mark.models


@pytest.mark.slow
def test_both_policies_are_tried_and_nothing_of_it_stays(local_model: str, tmp_path: Path) -> None:
    config = tmp_path / "siftstream.toml"
    config.write_text(
        f"""
        [synthesis]
        in_flight = 1
        [endpoints.small]
        url = "{local_model}"
        read_s = 300.0
        [[routes]]
        endpoints = ["small"]
        max_tokens = 60
        """
    )
    told = CliRunner().invoke(
        main, ["--config", str(config), "--dir", str(tmp_path / "run"), "experiment", "--tokens", "600", "--json"]
    )
    assert told.exit_code == 0, told.output
    rows = orjson.loads(told.stdout)
    assert [row["policy"] for row in rows] == ["uniform", "coverage"]
    for row in rows:
        assert 600 <= row["tokens"] < 600 + 2500
        assert row["calls"] >= 1
        assert row["curated"] <= row["accepted"]
    left = {path.name.partition(".")[0] for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert left == {"budget"}


def test_a_budget_that_is_spent_is_told_in_a_sentence(tmp_path: Path, local_model: str) -> None:
    config = tmp_path / "siftstream.toml"
    half = '[scoring]\ndtype = "bfloat16"\n'  # half the memory; nothing is scored
    config.write_text(f'{half}[budget]\ntokens = 10\n[endpoints.small]\nurl = "{local_model}"\n')
    told = CliRunner().invoke(main, ["--config", str(config), "--dir", str(tmp_path), "experiment", "--tokens", "600"])
    assert told.exit_code == 1
    assert "siftstream budget raise" in told.stderr.replace("\n", " ")
