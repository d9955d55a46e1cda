"""The packed forward pass against the model's own code, and its independence of the other packed samples."""

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from processors.errors import ProcessorError, Transient
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring import ifd
from processors.scoring.decoders import obstacle
from processors.scoring.ifd import Ifd, IfdScorer
from processors.scoring.lm_head import LmHead
from processors.scoring.packed_model import PackedModel, hooked
from processors.scoring.segments import Segment, one_by_one
from schemas import Prompt
from tests.processors.scoring.test_ifd import assert_equals_reference, pair, short_rows

pytestmark = pytest.mark.models

SIZES: dict[str, Any] = {
    "vocab_size": 5000,
    "hidden_size": 48,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "max_position_embeddings": 256,
}


def tiny_llama(**settings: Any) -> LlamaForCausalLM:
    """Return a random model whose weights are large enough that every part of it shows in the result."""
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, initializer_range=0.3, **settings)).eval()


def tiny_qwen2() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    return drawn(Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=2, initializer_range=0.3)))


def tiny_qwen3() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    sizes = {**SIZES, "head_dim": 16}
    return drawn(Qwen3ForCausalLM(Qwen3Config(**sizes, num_key_value_heads=2, initializer_range=0.3)))


def tiny_gpt2(**settings: Any) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    sizes = {"vocab_size": 5000, "n_embd": 48, "n_layer": 3, "n_head": 6, "n_positions": 256}
    special = {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.3}
    return drawn(GPT2LMHeadModel(GPT2Config(**(sizes | special | settings))))


def drawn(model: Any) -> Any:
    """Biases and weights of norms are zeros and ones when a model is made: they are drawn here, so that they show."""
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or parameter.ndim == 1:
            torch.nn.init.normal_(parameter, mean=0.5)
    return model.eval()


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
MODELS: dict[str, Callable[[], Any]] = {
    "grouped queries": lambda: tiny_llama(num_key_value_heads=2),
    "one key head, tied": lambda: tiny_llama(num_key_value_heads=1, tie_word_embeddings=True),
    "all heads, biases": lambda: tiny_llama(attention_bias=True, mlp_bias=True),
    "head size of its own": lambda: tiny_llama(num_key_value_heads=3, head_dim=16),
    "another activation": lambda: tiny_llama(num_key_value_heads=2, hidden_act="gelu"),
    "llama3 positions": lambda: tiny_llama(num_key_value_heads=2, rope_parameters=LLAMA3_ROPE),
    "qwen2": tiny_qwen2,
    "qwen3": tiny_qwen3,
    "gpt2": tiny_gpt2,
    "gpt2, head of its own": lambda: tiny_gpt2(tie_word_embeddings=False, n_inner=80),
}


@pytest.mark.parametrize("name", MODELS)
def test_it_computes_what_the_model_computes(name: str) -> None:
    model = MODELS[name]()
    segments = random_segments(20)
    with torch.inference_mode():
        assert_close(PackedModel(model, torch.float32)(segments), one_by_one(model)(segments), rel=1e-4)


@pytest.mark.parametrize("n", [2, 3])
def test_a_segment_of_few_tokens_alone(n: int) -> None:
    model = tiny_llama(num_key_value_heads=2)
    segments = [Segment(ids=list(range(7, 7 + n)), start=n - 1)]
    with torch.inference_mode():
        assert_close(PackedModel(model, torch.float32)(segments), one_by_one(model)(segments), rel=1e-4)


def test_bfloat16_is_as_near_to_float32_as_the_models_own_code() -> None:
    segments = random_segments(20)
    model = tiny_llama(num_key_value_heads=2)
    with torch.inference_mode():
        exact = torch.cat(one_by_one(model)(segments))
        half = model.to(torch.bfloat16)
        packed = (torch.cat(PackedModel(half, torch.bfloat16)(segments)) - exact).abs().mean()
        own = (torch.cat(one_by_one(half)(segments)) - exact).abs().mean()
    assert 0 < packed < 1.5 * own


def test_float16_operands_are_several_times_nearer_than_bfloat16() -> None:
    """The code for a GPU, run on the CPU."""
    segments = random_segments(20)
    model = tiny_llama(num_key_value_heads=2)
    exact, half, brain = (
        torch.cat(PackedModel(model, dtype)(segments)) for dtype in (torch.float32, torch.float16, torch.bfloat16)
    )
    assert 0 < 3 * (half - exact).abs().mean() < (brain - exact).abs().mean()


def test_a_token_that_is_certain_keeps_its_small_nll_in_bfloat16() -> None:
    """A logit of 100 rounds by up to 0.25: if the target's own logit were rounded, such an NLL would be lost in it."""
    torch.manual_seed(0)
    x, weight = torch.randn(50, 64), 0.1 * torch.randn(3000, 64)
    targets = torch.randint(3000, (50,))
    weight[targets] = 100 * x / x.square().sum(-1, keepdim=True) + 0.1 * torch.randn(50, 64)
    exact = LmHead(weight, torch.float32).nll(x, targets)
    rounded = LmHead(weight, torch.bfloat16).nll(x, targets)
    own = torch.nn.functional.cross_entropy(x @ weight.T, targets, reduction="none")
    torch.testing.assert_close(exact, own, rtol=1e-4, atol=1e-5)
    assert (rounded - exact).abs().max() < 1e-3


def test_what_else_is_packed_does_not_matter(checkpoint: CausalCheckpoint) -> None:
    """Whole, shuffled, in two halves and alone: 1e-5 relative is the promise, and 1e-5 nats if an NLL is near 0."""
    forward = PackedModel(checkpoint.model, torch.float32)
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
    rows = short_rows(checkpoint, "code_alpaca_2k.json", 45, tokens=48)
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
    """Check that both NLL and IFD are within 1e-5, relative."""
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

    def out_of_memory(self: PackedModel, segments: Sequence[Segment]) -> Callable[[], list[torch.Tensor]]:
        if any(len(segment.ids) > longest // 2 for segment in segments):
            raise torch.OutOfMemoryError("out of memory")
        return launch(self, segments)

    launch = PackedModel.launch
    monkeypatch.setattr(PackedModel, "launch", out_of_memory)
    results = ifd_scorer.score(SAMPLES)
    assert isinstance(results[1], Transient)
    assert "OutOfMemoryError" in str(results[1])
    assert_same_scores(results, expected, besides=1)


def test_a_number_that_is_none_stays_in_its_sample(
    checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token whose embedding is NaN, as in a damaged checkpoint."""
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
    sizes = SIZES | {"vocab_size": len(checkpoint.tokenizer)}
    model = GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, bos_token_id=0, eos_token_id=0)).eval()
    unknown = CausalCheckpoint(name="tiny", model_hash="", model=model, tokenizer=checkpoint.tokenizer)
    with caplog.at_level(logging.WARNING):
        scorer = IfdScorer(unknown, max_length=128)
    assert "tiny is scored one sequence at a time" in caplog.text
    assert "GPTNeoXForCausalLM" in caplog.text
    rows = [{"instruction": f"Say {word}.", "input": "", "output": f"{word}, as you wish."} for word in ("ah", "oh")]
    assert_equals_reference(unknown, rows, scorer.score([pair(row) for row in rows]), max_length=128)


def test_what_would_be_computed_otherwise_is_an_obstacle() -> None:
    dynamic = tiny_llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0})
    assert "dynamic" in (obstacle(dynamic) or "")
    adapted = tiny_llama()
    adapted.model.layers[1].mlp.up_proj = torch.nn.Sequential(adapted.model.layers[1].mlp.up_proj)
    assert "adapted" in (obstacle(adapted) or "")
    with pytest.raises(ValueError, match="adapted"):
        PackedModel(adapted, torch.float32)
    windowed = Qwen2ForCausalLM(Qwen2Config(**SIZES, use_sliding_window=True, max_window_layers=1, sliding_window=8))
    assert "window" in (obstacle(windowed) or "")
    assert "scaled" in (obstacle(tiny_gpt2(scale_attn_weights=False)) or "")
    assert "GPT-2's own" in (obstacle(tiny_gpt2(add_cross_attention=True)) or "")


def test_a_hook_is_seen() -> None:
    model = tiny_llama()
    assert not hooked(model)
    hook = model.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    assert hooked(model)
    hook.remove()
    model.model.norm.forward = model.model.norm.forward
    assert hooked(model)
