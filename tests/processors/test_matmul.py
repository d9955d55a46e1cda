"""The faster float32 product is a float32 product, and the switch goes back."""

import torch

from processors.matmul import fast_float32


def test_products_keep_float32_accuracy_whatever_the_processor() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(200, 576), torch.randn(3072, 576)
    with fast_float32():
        product = torch.nn.functional.linear(x, weight)
    exact = x.double() @ weight.double().T
    assert (product - exact).abs().max() < 1e-5 * exact.abs().max()


def test_the_setting_of_the_process_comes_back() -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision  # type: ignore[attr-defined]
    with fast_float32():
        pass
    assert torch.backends.mkldnn.matmul.fp32_precision == before  # type: ignore[attr-defined]
