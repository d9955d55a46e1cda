"""The packed forward pass against the model's own code, and its independence of what else is packed."""

import logging
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from processors import ifd
from processors.checkpoints import CausalCheckpoint
from processors.errors import ProcessorError, Transient
from processors.ifd import Ifd, IfdScorer
from processors.packed_llama import PackedLlama, hooked, obstacle
from processors.packing import Segment, one_by_one
from schemas import Prompt
from tests.processors.test_ifd import assert_equals_reference, pair, short_rows

SIZES: dict[str, Any] = {
    "vocab_size": 5000,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "max_position_embeddings": 256,
}


def tiny_llama(**settings: Any) -> LlamaForCausalLM:
    """A random model whose weights are large enough that every part of it shows in the result."""
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, initializer_range=0.3, **settings)).eval()


def tiny_qwen2() -> Qwen2ForCausalLM:
    """Its biases are zero when it is made, so they are drawn here."""
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=2, initializer_range=0.3)).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


def random_segments(count: int, vocabulary: int = 5000) -> list[Segment]:
    rng = random.Random(count)
    lengths = [rng.randint(2, 90) for _ in range(count)]
    return [Segment(ids=rng.choices(range(vocabulary), k=n), start=rng.randint(1, n - 1)) for n in lengths]


def assert_close(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor], rel: float) -> None:
    for some, other in zip(found, expected, strict=True):
        assert some.dtype == torch.float32
        torch.testing.assert_close(some, other, rtol=rel, atol=rel)


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
MODELS = {
    "grouped queries": lambda: tiny_llama(num_key_value_heads=2),
    "one key head, tied": lambda: tiny_llama(num_key_value_heads=1, tie_word_embeddings=True),
    "all heads, biases": lambda: tiny_llama(attention_bias=True, mlp_bias=True),
    "head size of its own": lambda: tiny_llama(num_key_value_heads=3, head_dim=16),
    "llama3 positions": lambda: tiny_llama(num_key_value_heads=2, rope_parameters=LLAMA3_ROPE),
    "qwen2": tiny_qwen2,
}


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_model_computes(name: str) -> None:
    model = MODELS[name]()
    segments = random_segments(20)
    with torch.inference_mode():
        assert_close(PackedLlama(model)(segments), one_by_one(model)(segments), rel=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_a_segment_of_few_tokens_alone(n: int) -> None:
    model = tiny_llama(num_key_value_heads=2)
    segments = [Segment(ids=list(range(7, 7 + n)), start=n - 1)]
    with torch.inference_mode():
        assert_close(PackedLlama(model)(segments), one_by_one(model)(segments), rel=1e-4)


def test_bfloat16_is_as_near_to_float32_as_the_models_own_code() -> None:
    segments = random_segments(20)
    model = tiny_llama(num_key_value_heads=2)
    with torch.inference_mode():
        exact = torch.cat(one_by_one(model)(segments))
        half = model.to(torch.bfloat16)
        packed = (torch.cat(PackedLlama(half)(segments)) - exact).abs().mean()
        own = (torch.cat(one_by_one(half)(segments)) - exact).abs().mean()
    assert 0 < packed < 1.5 * own


def test_what_else_is_packed_does_not_matter(checkpoint: CausalCheckpoint) -> None:
    """Whole, shuffled, in two halves and alone: 1e-5 relative is the promise."""
    forward = PackedLlama(checkpoint.model)
    segments = random_segments(12, checkpoint.model.config.vocab_size)
    whole = forward(segments)
    order = random.Random(1).sample(range(12), 12)
    shuffled = forward([segments[index] for index in order])
    assert_close(shuffled, [whole[index] for index in order], rel=1e-5)
    assert_close([*forward(segments[:5]), *forward(segments[5:])], whole, rel=1e-5)
    assert_close([nll for segment in segments for nll in forward([segment])], whole, rel=1e-5)


@pytest.mark.data
def test_real_samples_in_any_batch_score_as_in_the_reference(
    checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = short_rows(checkpoint, "code_alpaca_2k.json", 45)
    assert len(rows) == 45
    results = ifd_scorer.score([pair(row) for row in rows])
    assert_equals_reference(checkpoint, rows, results)
    monkeypatch.setattr(ifd, "MAX_FORWARD_TOKENS", 200)
    order = random.Random(2).sample(range(45), 45)
    again = ifd_scorer.score([pair(rows[index]) for index in order])
    assert_same_scores(again, [results[index] for index in order])


def assert_same_scores(
    found: Sequence[Ifd | ProcessorError], expected: Sequence[Ifd | ProcessorError], besides: int | None = None
) -> None:
    """Within 1e-5, relative, in both NLL and in IFD."""
    for index, (some, other) in enumerate(zip(found, expected, strict=True)):
        if index == besides:
            continue
        assert isinstance(some, Ifd)
        assert isinstance(other, Ifd)
        assert (some.nll_cond, some.nll_uncond) == pytest.approx((other.nll_cond, other.nll_uncond), rel=1e-5, abs=0)
        assert some.ifd == pytest.approx(other.ifd, rel=1e-5, abs=0)


SAMPLES = [(Prompt(instruction=f"Count to {n}."), " and".join(f" {i}" for i in range(n))) for n in (3, 9, 2, 5)]


def test_one_failing_sample_of_a_packed_batch_fails_alone(
    ifd_scorer: IfdScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ifd_scorer.score(SAMPLES)
    longest = max(result.tokens for result in expected if isinstance(result, Ifd))

    def out_of_memory(self: PackedLlama, segments: Sequence[Segment]) -> list[torch.Tensor]:
        if any(len(segment.ids) > longest // 2 for segment in segments):
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, segments)

    forward = PackedLlama.__call__
    monkeypatch.setattr(PackedLlama, "__call__", out_of_memory)
    results = ifd_scorer.score(SAMPLES)
    assert isinstance(results[1], Transient)
    assert "OutOfMemoryError" in str(results[1])
    assert_same_scores(results, expected, besides=1)


def test_a_number_that_is_none_stays_in_its_sample(
    checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token whose embedding is NaN, as a damaged checkpoint has it."""
    expected = ifd_scorer.score(SAMPLES)
    (token,) = checkpoint.tokenizer.encode(" 7")[-1:]
    embed = torch.nn.Embedding.forward

    def damaged(self: torch.nn.Embedding, ids: torch.Tensor) -> torch.Tensor:
        return embed(self, ids).masked_fill((ids == token)[:, None], float("nan"))

    monkeypatch.setattr(torch.nn.Embedding, "forward", damaged)
    results = ifd_scorer.score(SAMPLES)
    assert [result.flags for result in results if isinstance(result, Ifd)] == [(), ("nan",), (), ()]
    assert_same_scores(results, expected, besides=1)


def test_any_other_architecture_is_scored_by_its_own_code(
    checkpoint: CausalCheckpoint, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(checkpoint.tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=128)
    model = GPT2LMHeadModel(config).eval()
    gpt2 = CausalCheckpoint(name="tiny", model_hash="", model=model, tokenizer=checkpoint.tokenizer)
    with caplog.at_level(logging.WARNING):
        scorer = IfdScorer(gpt2, max_length=128)
    assert "tiny is scored one sequence at a time" in caplog.text
    assert "GPT2LMHeadModel" in caplog.text
    rows = [{"instruction": f"Say {word}.", "input": "", "output": f"{word}, as you wish."} for word in ("ah", "oh")]
    assert_equals_reference(gpt2, rows, scorer.score([pair(row) for row in rows]), max_length=128)


def test_what_would_be_computed_otherwise_is_an_obstacle() -> None:
    dynamic = tiny_llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0})
    assert "dynamic" in (obstacle(dynamic) or "")
    adapted = tiny_llama()
    adapted.model.layers[1].mlp.up_proj = torch.nn.Sequential(adapted.model.layers[1].mlp.up_proj)
    assert "adapted" in (obstacle(adapted) or "")
    with pytest.raises(ValueError, match="adapted"):
        PackedLlama(adapted)
    windowed = Qwen2ForCausalLM(Qwen2Config(**SIZES, use_sliding_window=True, max_window_layers=1, sliding_window=8))
    assert "window" in (obstacle(windowed) or "")


def test_a_hook_is_seen() -> None:
    model = tiny_llama()
    assert not hooked(model)
    hook = model.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    assert hooked(model)
    hook.remove()
    model.model.norm.forward = model.model.norm.forward
    assert hooked(model)
