"""A scorer with brief experience: trained on the picked samples, stored, and loaded by its folder."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from processors.embedding.embedding import Embedder
from processors.models.checkpoints import CausalCheckpoint, load_causal
from processors.scoring.ifd import Ifd, IfdScorer
from processors.scoring.tokens import TokenPair
from processors.warm_up.brief_experience import PickConfig, TuningConfig
from processors.warm_up.fine_tuning import fine_tune
from processors.warm_up.warm_up import LINEAGE, TooFewSamples, warm_up
from schemas import Answer, Prompt, Sample
from tests.processors.scoring.test_packed_model import SIZES

pytestmark = pytest.mark.models

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WORDS = ("red", "green", "blue", "seven", "lake", "stone", "bread", "cloud")
SAMPLES = [
    Sample(
        sample_id=f"{number}",
        prompt=Prompt(instruction=f"Say {word} {number} times."),
        answer=Answer(text=f"{word} " * (2 + number % 3)),
    )
    for number in range(6)
    for word in WORDS
]


def tiny(checkpoint: CausalCheckpoint) -> CausalCheckpoint:
    torch.manual_seed(0)
    config = LlamaConfig(**(SIZES | {"vocab_size": len(checkpoint.tokenizer)}), num_key_value_heads=2)
    model = LlamaForCausalLM(config).eval()
    return CausalCheckpoint(name="tiny", model_hash="0123", model=model, tokenizer=checkpoint.tokenizer)


def run(checkpoint: CausalCheckpoint, embedder: Embedder, folder: Path, samples: list[Sample]) -> dict[str, Any]:
    return warm_up(
        checkpoint,
        samples,
        embedder,
        folder,
        picks=PickConfig(clusters=4, per_cluster=5),
        tuning=TuningConfig(learning_rate=1e-3, batch_size=4),
        data={"file": "words.jsonl", "sha256": "ab"},
        max_length=64,
        clock=lambda: NOW,
        progress=lambda done, total, loss: None,
    )


def test_the_loss_falls_and_the_same_seed_gives_the_same_weights(checkpoint: CausalCheckpoint) -> None:
    pairs = [TokenPair(cond=[5, 6, 7, 8, 9, 10], start=2, uncond=[7, 8], truncated=False)] * 40
    config = TuningConfig(learning_rate=1e-2, batch_size=4)
    seen: list[tuple[int, int]] = []
    models = [tiny(checkpoint).model for _ in range(2)]
    losses = fine_tune(models[0], pairs, config, lambda done, total, loss: seen.append((done, total)))
    assert losses[-1] < 0.7 * losses[0]
    assert seen == [(done, 40) for done in range(4, 41, 4)]
    assert fine_tune(models[1], pairs, config, lambda *_: None) == losses
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))
    assert not models[0].training


def test_the_new_scorer_is_stored_with_its_lineage_and_scores(
    checkpoint: CausalCheckpoint, minilm: Embedder, tmp_path: Path
) -> None:
    lineage = run(tiny(checkpoint), minilm, tmp_path / "new" / "scorer", SAMPLES)
    assert json.loads((tmp_path / "new" / "scorer" / LINEAGE).read_text()) == lineage
    assert (lineage["base_model"], lineage["base_model_hash"], lineage["at"]) == ("tiny", "0123", NOW.isoformat())
    assert lineage["data"] == {"file": "words.jsonl", "sha256": "ab", "samples": 48, "fitting": 48}
    assert 4 <= len(lineage["picked"]) <= 20
    assert lineage["tuning"]["epochs"] == 1
    loaded = load_causal(str(tmp_path / "new" / "scorer"), tmp_path, dtype=torch.float32, device="cpu")
    assert len(loaded.model_hash) == 16
    (trained,) = IfdScorer(loaded, 64).score([(Prompt(instruction="Say red 2 times."), "red red red")])
    (untrained,) = IfdScorer(tiny(checkpoint), 64).score([(Prompt(instruction="Say red 2 times."), "red red red")])
    assert isinstance(trained, Ifd)
    assert isinstance(untrained, Ifd)
    assert trained.nll_cond is not None
    assert untrained.nll_cond is not None
    assert trained.nll_cond < untrained.nll_cond
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["scorer"]


def test_nothing_is_stored_where_there_is_nothing_to_learn(
    checkpoint: CausalCheckpoint, minilm: Embedder, tmp_path: Path
) -> None:
    prompt_only = [Sample(sample_id="1", prompt=Prompt(instruction="No answer."))]
    with pytest.raises(TooFewSamples, match="64 tokens"):
        run(tiny(checkpoint), minilm, tmp_path / "scorer", prompt_only)
    assert not (tmp_path / "scorer").exists()
    with pytest.raises(FileExistsError):
        run(tiny(checkpoint), minilm, tmp_path, SAMPLES)


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"batch_size": 0}])
def test_a_configuration_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TuningConfig(**wrong)  # type: ignore[arg-type]
