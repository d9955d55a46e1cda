"""`scorer warm-up` from the command line, with a model small enough to train in a test."""

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from processors.models.checkpoints import causal_folder
from processors.models.files import CAUSAL_DEFAULT
from streams.cli import main

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siftstream"
    tokenizer = AutoTokenizer.from_pretrained(causal_folder(CAUSAL_DEFAULT, cache), local_files_only=True)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=1024,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def invoke(tiny_folder: Path, *arguments: str) -> tuple[int, str]:
    environment = {"SIFT_SCORING_MODEL": str(tiny_folder)}
    result = CliRunner().invoke(main, ["scorer", "warm-up", *arguments], env=environment)
    return result.exit_code, result.output


def test_a_file_becomes_a_scorer(tiny_folder: Path, tmp_path: Path) -> None:
    rows = [{"instruction": f"Count to {n}.", "input": "", "output": "one two three " * n} for n in range(1, 13)]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in [*rows, {"nothing": 1}]))
    code, output = invoke(
        tiny_folder, "--from", str(file), "--to", str(tmp_path / "out"), "--clusters", "3", "--per-cluster", "2"
    )
    assert code == 0, output
    assert f"SIFT_SCORING_MODEL={tmp_path / 'out'}" in output.replace("\n", "")
    assert "rows.jsonl:13 is left out" in output
    lineage = json.loads((tmp_path / "out" / "lineage.json").read_text())
    assert lineage["base_model"] == str(tiny_folder)
    assert lineage["data"]["file"] == "rows.jsonl"
    assert 0 < len(lineage["picked"]) <= 6


def test_what_cannot_be_done_is_said_in_a_sentence(tiny_folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"instruction": "No answer."}\n')
    code, output = invoke(tiny_folder, "--from", str(empty), "--to", str(tmp_path / "out"))
    assert (code, "no sample with an answer" in output) == (1, True)
    code, output = invoke(tiny_folder, "--from", str(empty), "--to", str(tmp_path))
    assert (code, "exists already" in output) == (1, True)
    code, output = invoke(tiny_folder, "--from", str(empty), "--to", str(tmp_path / "out"), "--clusters", "0")
    assert (code, "clusters" in output) == (1, True)
    assert not (tmp_path / "out").exists()
