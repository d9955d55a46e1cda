"""Linear layers with the operation after them, in each type and layout, against torch's own."""

import pytest
import torch
import torch.nn.functional as F

from processors.scoring.linear import Linear

pytestmark = pytest.mark.models

EXACT = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("biased", [True, False])
def test_a_product_and_what_is_done_with_it(dtype: torch.dtype, biased: bool) -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(40, 24), torch.randn(16, 24) / 5, torch.randn(16) if biased else None
    linear, expected = Linear(weight, bias, dtype), F.linear(x, weight, bias)
    other = torch.randn(40, 16)

    def same(found: torch.Tensor, wanted: torch.Tensor, of: torch.dtype) -> None:
        assert found.dtype == of
        torch.testing.assert_close(found.float(), wanted, rtol=EXACT[dtype], atol=EXACT[dtype] * 3)

    same(linear(x), expected, dtype)
    same(linear.silu(x), F.silu(expected), dtype)
    same(linear.times(x, other.to(dtype)), expected * other, dtype)
    same(linear.plus(x, other), expected + other, torch.float32)


def test_what_is_added_to_is_left_as_it_was() -> None:
    linear, x, term = Linear(torch.eye(16), None, torch.float32), torch.ones(4, 16), torch.ones(4, 16)
    assert (linear.plus(x, term) == 2).all()
    assert (term == 1).all()
