import json
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from processors.export import CONTAINERS, FORMATS, DatasetWriter, ExportConfig, verify
from processors.export.manifest import OTHER, UNKNOWN, ExportTally
from processors.ingestion import Reading, open_rows, to_sample
from schemas import Answer, Decision, Message, Prompt, Sample, Score, sample_id


def clock() -> datetime:
    return datetime(2026, 1, 2, tzinfo=UTC)


def make(number: int) -> Sample:
    prompt, answer = Prompt(instruction=f"Question {number} | 问"), Answer(text="yes", model="gpt")
    score = Score(
        ifd=number / 100,
        nll_cond=1.0,
        nll_uncond=2.0,
        n_cond=3,
        n_uncond=3,
        convention="c",
        template="t",
        model="smol",
        model_hash="h",
        dtype="f32",
    )
    return Sample(
        sample_id=sample_id(prompt, answer),
        prompt=prompt,
        answer=answer,
        task_type="qa" if number % 4 else "chat",
        language="zh" if number % 2 else "",
        labels={"licence": "mit"} if number % 3 else {},
        score=score,
        decision=Decision(outcome="curated", reason="gain", rule="streaming-gain", input_offset=number),
    )


SAMPLES = [make(number) for number in range(100)]


def export(directory: Path, samples: Iterable[Sample], config: ExportConfig) -> dict[str, object]:
    with DatasetWriter(directory, config, clock, random.Random(0)) as writer:
        for sample in samples:
            writer.write(sample)
    manifest: dict[str, object] = json.loads((directory / "manifest.json").read_text())
    return manifest


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("container", CONTAINERS)
def test_folder_reads_back_as_the_same_samples(tmp_path: Path, shape: str, container: str) -> None:
    export(tmp_path, SAMPLES, ExportConfig(shape=shape, container=container, with_metadata=True))
    assert verify(tmp_path) == ()
    read = [to_sample(row, Reading(), clock) for row in open_rows(tmp_path)]
    assert [sample.prompt for sample in read] == [sample.prompt for sample in SAMPLES]
    assert [sample.answer and sample.answer.text for sample in read] == ["yes"] * 100


def test_manifest_counts(tmp_path: Path) -> None:
    manifest = export(tmp_path, SAMPLES, ExportConfig(settings={"keep_rate": 0.2}))
    assert manifest["samples"] == 100
    assert manifest["created_at"] == "2026-01-02T00:00:00.000+00:00"
    assert manifest["settings"] == {"shape": "alpaca", "container": "jsonl", "keep_rate": 0.2}
    assert manifest["ifd"] == {
        "scored": 100,
        "p10": pytest.approx(0.099),
        "p50": pytest.approx(0.495),
        "p90": pytest.approx(0.891),
        "exact": True,
    }
    assert manifest["counts"] == {
        "task_type": {"qa": 75, "chat": 25},
        "language": {UNKNOWN: 50, "zh": 50},
        "answer_model": {"gpt": 100},
        "score_model": {"smol": 100},
        "rule": {"streaming-gain": 100},
        "licence": {"mit": 66, UNKNOWN: 34},
        "source": {UNKNOWN: 100},
    }


def test_sample_that_the_shape_cannot_hold_is_left_out_and_told(tmp_path: Path) -> None:
    history = (Message(role="tool", content="x"),)
    odd = replace(SAMPLES[0], prompt=Prompt(instruction="Go.", history=history))
    manifest = export(tmp_path, [odd, SAMPLES[1]], ExportConfig())
    assert manifest["samples"] == 1
    assert manifest["left_out"] == {
        "its history is not pairs of question and answer; export as messages or sharegpt": 1
    }
    assert "1 more could not be written" in (tmp_path / "README.md").read_text()


def test_card_has_front_matter_that_names_the_files_and_the_types(tmp_path: Path) -> None:
    export(tmp_path, SAMPLES, ExportConfig(shape="alpaca", with_metadata=True))
    _, front, text = (tmp_path / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": ["data/train.jsonl"]}]}
    ]
    assert about["language"] == ["zh"]
    assert about["size_categories"] == ["n<1K"]
    types = {feature.pop("name"): feature for feature in about["dataset_info"]["features"]}
    assert types["history"] == {"list": {"list": "string"}}
    assert {"name": "ifd", "dtype": "float64"} in types["metadata"]["struct"]
    assert types["metadata"]["struct"][-1]["list"][0] == {"name": "name", "dtype": "string"}
    assert "| qa | 75 |" in text
    assert "| mit | 66 |" in text


def test_damage_is_found(tmp_path: Path) -> None:
    export(tmp_path, SAMPLES, ExportConfig())
    path = tmp_path / "data" / "train.jsonl"
    text = path.read_bytes()
    path.write_bytes(text.replace(b"yes", b"yea", 1))
    assert verify(tmp_path) == ("data/train.jsonl: its SHA-256 has changed",)
    path.write_bytes(text[:-1])
    assert verify(tmp_path) == (f"data/train.jsonl: {len(text) - 1} bytes, {len(text)} were written",)
    path.unlink()
    assert verify(tmp_path) == ("data/train.jsonl: missing",)
    for broken in ("{}", "[]", "no"):
        (tmp_path / "manifest.json").write_text(broken)
        with pytest.raises(ValueError, match="not the manifest"):
            verify(tmp_path)


def test_interrupted_export_leaves_the_one_before(tmp_path: Path) -> None:
    export(tmp_path, SAMPLES, ExportConfig())
    cut = (SAMPLES[number // (number < 3)] for number in range(9))
    with pytest.raises(ZeroDivisionError):
        export(tmp_path, cut, ExportConfig())
    assert verify(tmp_path) == ()
    assert json.loads((tmp_path / "manifest.json").read_text())["samples"] == 100


def test_quantiles_of_many_come_from_a_fair_sample() -> None:
    tally = ExportTally(random.Random(0), reservoir=2000)
    for number in range(20_000):
        tally.add(SAMPLES[number // 200])
    ifd = tally.ifd()
    assert (ifd["scored"], ifd["exact"]) == (20_000, False)
    exact = np.quantile([number / 100 for number in range(100)], (0.1, 0.5, 0.9))
    assert np.allclose([ifd["p10"], ifd["p50"], ifd["p90"]], exact, atol=0.04)


def test_names_without_end_are_counted_as_others() -> None:
    tally = ExportTally(random.Random(0))
    for number in range(500):
        tally.add(replace(SAMPLES[0], task_type=f"type {number}"))
    assert len(tally.counts["task_type"]) == 201
    assert tally.counts["task_type"][OTHER] == 300


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown shape 'csv'"):
        ExportConfig(shape="csv")
    with pytest.raises(ValueError, match="unknown container 'csv'"):
        ExportConfig(container="csv")
