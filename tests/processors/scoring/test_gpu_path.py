"""The code for a GPU, tested as far as possible without one: fixed shapes, one attention kernel, no waiting.

Tensors on the device ``meta`` have shapes and types but no numbers. A step that would have to wait for the device to
know a shape or a number cannot be done on them.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from processors.scoring import packed_model
from processors.scoring.core_pool import one_ahead
from processors.scoring.packed_batch import lay_out, size_above
from processors.scoring.packed_model import PackedModel
from tests.processors.scoring.test_packed_model import MODELS, random_segments, tiny_llama

pytestmark = pytest.mark.models

CPU, META = torch.device("cpu"), torch.device("meta")
FAMILIES = ("grouped queries", "qwen2", "qwen3", "gpt2")


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_model, "_has_varlen", lambda query: query.dtype != torch.float32)


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_on_the_way_has_to_be_waited_for(name: str, dtype: torch.dtype) -> None:
    rows = lay_out(random_segments(20), META, fixed=True)
    with torch.inference_mode():
        nll = PackedModel(MODELS[name]().to("meta"), dtype).nll(rows)
    assert (nll.shape, nll.dtype, nll.device) == (rows.scored.shape, torch.float32, META)


def test_the_device_of_shapes_alone_refuses_what_must_be_waited_for() -> None:
    """Otherwise the test above could not fail."""
    with pytest.raises(NotImplementedError):
        torch.zeros(3, device="meta").nonzero()
    with pytest.raises(RuntimeError):
        torch.zeros((), device="meta").item()


@pytest.mark.usefixtures("as_on_a_gpu")
@pytest.mark.parametrize("name", FAMILIES)
def test_one_kernel_for_all_segments_gives_what_one_for_each_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute attention as the kernel's documentation describes it, in place of the kernel."""
    model, segments = MODELS[name](), random_segments(20)
    monkeypatch.setattr(packed_model, "varlen_attn", varlen_by_its_documentation)
    one = torch.cat(PackedModel(model, torch.float16)(segments))
    monkeypatch.setattr(packed_model, "_has_varlen", lambda _: False)
    each = torch.cat(PackedModel(model, torch.float16)(segments))
    torch.testing.assert_close(one, each, rtol=1e-2, atol=1e-2)


def varlen_by_its_documentation(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """Rows from one of `cu_seq_…` to the next are a sequence; a window of (-1, 0) is causal attention."""
    assert window_size == (-1, 0)
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert max_q == max_k == cu_seq_q.diff().max()
    assert cu_seq_q[-1] == len(query)
    out = torch.zeros_like(query)
    for first, end in zip(cu_seq_q.tolist(), cu_seq_k.tolist()[1:], strict=False):
        q, k, v = (each[first:end].transpose(0, 1).float() for each in (query, key, value))
        out[first:end] = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=enable_gqa).transpose(0, 1)
    return out


def test_unused_rows_make_batches_of_one_shape_and_change_no_score() -> None:
    model, shapes = PackedModel(tiny_llama(num_key_value_heads=2), torch.float32), set()
    for count in (20, 9, 1):
        segments = random_segments(count)
        rows = lay_out(segments, CPU, fixed=True)
        shapes.add(
            tuple(getattr(rows, field.name).shape for field in fields(rows) if field.name not in ("lengths", "ends"))
        )
        with torch.inference_mode():
            found = model.nll(rows)[: sum(len(segment.scored) for segment in segments)]
        torch.testing.assert_close(found, torch.cat(model(segments)), rtol=1e-5, atol=1e-5)
    assert len(shapes) == 1


@given(st.integers(min_value=1, max_value=100_000))
def test_sizes_are_few_and_at_most_half_as_large_again(n: int) -> None:
    size = size_above(n)
    assert n <= size
    assert size == 1024 or 2 * size < 3 * n
    assert size_above(size) == size
    assert size in {base << power for base in (1024, 1536) for power in range(8)}


def test_the_next_pass_is_begun_before_the_last_one_is_waited_for() -> None:
    events: list[str] = []

    def wait(number: int) -> int:
        events.append(f"wait {number}")
        return number

    def begin() -> Iterator[Callable[[], int]]:
        for number in range(3):
            events.append(f"begin {number}")
            yield partial(wait, number)

    assert list(one_ahead(begin())) == [0, 1, 2]
    assert events == ["begin 0", "begin 1", "wait 0", "begin 2", "wait 1", "wait 2"]
    assert list(one_ahead([])) == []
