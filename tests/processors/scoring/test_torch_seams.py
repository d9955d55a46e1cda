"""Private names of torch that scoring uses: a release that moves them fails here, not in a worker.

Public names need no test; torch makes no promise about these. If one is missing at run time, `processors.scoring`
multiplies without it: slower, but as exact.
"""

import inspect

import pytest
import torch
from torch.nn.attention.varlen import varlen_attn

from processors.scoring import linear

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("operator", "schema"),
    [
        ("_reorder_linear_weight", "(Tensor self, int? batch_size=None) -> Tensor Y"),
        ("_linear_pointwise", "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm)"),
        ("_is_mkldnn_bf16_supported", "() -> bool"),
    ],
)
def test_an_operator_takes_what_we_give_it(operator: str, schema: str) -> None:
    overload = getattr(torch.ops.mkldnn, operator).default
    assert schema in str(overload._schema)


def test_the_operator_of_two_tensors_takes_what_we_give_it() -> None:
    schema = str(torch.ops.mkldnn._linear_pointwise.binary._schema)
    assert "(Tensor X, Tensor other, Tensor W, Tensor? B, str attr)" in schema


def test_attention_over_segments_takes_what_we_give_it() -> None:
    parameters = inspect.signature(varlen_attn).parameters
    assert {"window_size", "enable_gqa"} <= set(parameters)
    assert list(parameters)[:7] == ["query", "key", "value", "cu_seq_q", "cu_seq_k", "max_q", "max_k"]


@pytest.mark.parametrize("name", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_the_processor_is_asked_by_a_name_that_is_there(name: str) -> None:
    assert isinstance(getattr(torch.cpu, name)(), bool)


def test_the_prepacked_product_equals_the_plain_one() -> None:
    weight, x = torch.randn(48, 32), torch.randn(128, 32)
    torch.testing.assert_close(linear.Linear(weight, None, torch.float32)(x), x @ weight.T, rtol=1e-4, atol=1e-4)
