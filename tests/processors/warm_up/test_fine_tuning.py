"""Steps of equal answer tokens, and a learning rate that ends above zero."""

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from processors.scoring.tokens import TokenPair
from processors.warm_up.brief_experience import TuningConfig
from processors.warm_up.fine_tuning import fine_tune

pytestmark = pytest.mark.models


def pair(answer: int) -> TokenPair:
    ids = [number % 50 for number in range(5 + answer)]
    return TokenPair(cond=ids, start=5, uncond=ids[5:], truncated=False)


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=64, **sizes))


@pytest.mark.parametrize("answers", [[4] * 60, [40] * 6, [4] * 30 + [40] * 3])
def test_short_and_long_answers_make_as_many_steps(model: Any, answers: list[int]) -> None:
    done: list[int] = []
    losses = fine_tune(model, [pair(n) for n in answers], TuningConfig(), lambda n, of, loss: done.append(n), steps=3)
    assert len(losses) == 3
    assert done[-1] == len(answers)


def test_the_last_step_teaches_too(model: Any) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fine_tune(model, [pair(8)] * 4, TuningConfig(learning_rate=1e-2), lambda n, of, loss: None, steps=1)
    assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
