"""IFD: how much the prompt helps a small model to predict the answer, for many samples at once.

IFD(Q, A) = exp(s(A|Q) - s(A)), where s is the mean negative log-likelihood per answer token in nats: the ratio of two
perplexities (arXiv 2402.00530 and its code, after arXiv 2308.12032). Conditional pass: prompt and answer, all answer
tokens scored. Unconditional pass: the answer alone. `conventions` lists the other forms of IFD.

Samples share forward passes (`segments`): Llama, Qwen and GPT-2 run them packed (`packed_model`), any other model one
sequence at a time. In float32 a score differs by less than 1e-5, relative, with the batch that its sample came in.

A score that is not a number is explained by a flag, never by an exception:

====================  ============================================  ==========================================
``empty_answer``      no text, or only whitespace                   `ifd` None, no pass
``prompt_too_long``   the prompt fills `max_length`                 `ifd` None, no pass
``one_token_answer``  unconditional mean over no tokens             `ifd` None, `nll_cond` known
``truncated``         the end of the answer is beyond `max_length`  `ifd` of the part that fits
``nan``               the model gave a number that is not finite    `ifd` None
====================  ============================================  ==========================================
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import torch
from jinja2 import TemplateError

from processors.errors import InvalidSample, ProcessorError, Transient
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.cascade import undecided
from processors.scoring.conventions import CONVENTIONS, Convention, plain
from processors.scoring.core_pool import CorePool, one_ahead, share_out
from processors.scoring.decoders import obstacle
from processors.scoring.linear import low_precision
from processors.scoring.measurement import Ifd as Ifd
from processors.scoring.measurement import measurement
from processors.scoring.packed_model import PackedModel, hooked
from processors.scoring.segments import Forward, Segment, one_by_one
from processors.scoring.tokens import PairTokenizer, TokenPair
from schemas import Prompt

log = logging.getLogger(__name__)

MAX_FORWARD_TOKENS = 1024
"""Tokens of one forward pass on a CPU, both sequences of its samples together; more do not make it faster."""
GPU_FORWARD_TOKENS = 32_768
"""Tokens of one forward pass on any other device, which needs more of them to be busy (an estimate, not measured)."""

Prepared = TokenPair | Ifd | InvalidSample
"""A sample's tokens; or its result, if it needs no pass of the model."""
Nll = tuple[torch.Tensor, torch.Tensor]
"""The NLL of the scored tokens of a sample's two sequences, each of which may have none."""
Measured = Callable[[], list[Ifd | Transient]]
"""A function that waits for the results of a pass."""
Value = TypeVar("Value")


class IfdScorer:
    """Scores prompts with answers by the causal model `checkpoint`.

    `max_length` is the longest sequence in tokens, prompt and answer together. With `cascade` samples are first scored
    in the device's low precision, and again in float32 if that leaves open on which side of 1 they are. Raises
    ValueError if the model's own context is shorter than `max_length`, since positions beyond it give meaningless
    numbers.
    """

    def __init__(
        self,
        checkpoint: CausalCheckpoint,
        max_length: int,
        *,
        convention: Convention = CONVENTIONS["superfilter"],
        cascade: bool = False,
    ) -> None:
        context = getattr(checkpoint.model.config, "max_position_embeddings", max_length)
        if not 2 <= max_length <= context:
            raise ValueError(f"max_length is {max_length}: {checkpoint.name} takes 2 to {context} tokens")
        self.convention = convention
        self._model = checkpoint.model
        self._max_length = max_length
        self._tokenizer = PairTokenizer(checkpoint.tokenizer, max_length, convention)
        self._on_cpu = self._model.device.type == "cpu"
        self._one_core, self._cores = CorePool(1), CorePool(torch.get_num_threads() if self._on_cpu else 1)
        self._packed: Forward | None = None
        self._first: tuple[Forward, torch.dtype] | None = None
        if reason := obstacle(self._model):
            log.warning("%s is scored one sequence at a time, which is slower: %s", checkpoint.name, reason)
            return
        low = low_precision(self._model.device)
        if cascade and self._model.dtype == torch.float32 and low:
            self._first = PackedModel(self._model, low), low
        elif cascade:
            log.info("no cascade: this device has no type that is much faster than %s", _name(self._model.dtype))
        # After a first pass so few tokens are left that a faster layout is not worth another copy of all weights.
        self._packed = PackedModel(self._model, self._model.dtype, blocked=self._first is None)

    def score(self, samples: Sequence[tuple[Prompt, str]]) -> list[Ifd | ProcessorError]:
        """Return one result per (prompt, answer), in order. A sample that fails does not affect the others."""
        return self.measure([self.prepare(prompt, answer) for prompt, answer in samples])

    def prepare(self, prompt: Prompt, answer: str) -> Prepared:
        """Tokenise a sample for `measure`; needs no model, so it may run in another thread at the same time."""
        if not answer.strip():
            return Ifd(flags=("empty_answer",))
        try:
            _ = plain(prompt).encode(), answer.encode()
            pair = self._tokenizer.pair(prompt, answer)
        except UnicodeEncodeError as error:
            return InvalidSample(f"not Unicode text: {error.reason}")
        except TemplateError as error:
            return InvalidSample(f"the model's chat template refuses the prompt: {type(error).__name__}")
        return pair if pair.start < self._max_length else Ifd(flags=("prompt_too_long",))

    def measure(self, prepared: Sequence[Prepared]) -> list[Ifd | ProcessorError]:
        """Return one result per item, in order."""
        pairs = [each for each in prepared if isinstance(each, TokenPair)]
        measured = iter(self._cascaded(pairs) if self._first else self._exact(pairs))
        return [next(measured) if isinstance(each, TokenPair) else each for each in prepared]

    def _exact(self, pairs: Sequence[TokenPair]) -> list[Ifd | Transient]:
        forward = one_by_one(self._model) if self._packed is None or hooked(self._model) else self._packed
        return self._batched(forward, self._model.dtype, pairs)

    def _cascaded(self, pairs: Sequence[TokenPair]) -> list[Ifd | Transient]:
        assert self._first is not None
        results = self._batched(*self._first, pairs)
        again = [index for index, result in enumerate(results) if undecided(result)]
        for index, result in zip(again, self._exact([pairs[index] for index in again]), strict=True):
            results[index] = result
        return results

    def _batched(self, forward: Forward, dtype: torch.dtype, pairs: Sequence[TokenPair]) -> list[Ifd | Transient]:
        costs = [len(pair.cond) + len(pair.uncond) for pair in pairs]
        cores = self._cores if isinstance(forward, PackedModel) else self._one_core  # other code may keep a state
        groups = share_out(costs, MAX_FORWARD_TOKENS if self._on_cpu else GPU_FORWARD_TOKENS, cores.count)

        def begin(group: Sequence[int]) -> Measured:
            return self._begin(forward, dtype, [pairs[index] for index in group])

        measured = cores.map(lambda group: begin(group)(), groups) if self._on_cpu else one_ahead(map(begin, groups))
        result = dict(zip(chain.from_iterable(groups), chain.from_iterable(measured), strict=True))
        return [result[index] for index in range(len(pairs))]

    def _begin(self, forward: Forward, dtype: torch.dtype, pairs: Sequence[TokenPair]) -> Measured:
        """Begin a pass; the function returned waits for one result per pair."""
        begun = _tried(lambda: _launch(forward, pairs))
        return lambda: self._finish(forward, dtype, pairs, begun)

    def _finish(
        self, forward: Forward, dtype: torch.dtype, pairs: Sequence[TokenPair], begun: Callable[[], list[Nll]] | str
    ) -> list[Ifd | Transient]:
        """Return a pass's results; repeat a pass that failed (often for memory) in halves, down to single samples."""
        nll = begun if isinstance(begun, str) else _tried(begun)
        if not isinstance(nll, str):
            both = zip(pairs, nll, strict=True)
            return [measurement(pair, *each, self.convention.ratio, _name(dtype)) for pair, each in both]
        if len(pairs) == 1:
            return [Transient(f"the model failed on {len(pairs[0].cond)} tokens: {nll}")]
        middle = len(pairs) // 2
        halves = pairs[:middle], pairs[middle:]
        return [result for half in halves for result in self._begin(forward, dtype, half)()]


def _tried(action: Callable[[], Value]) -> Value | str:
    """Return the action's result, or its error as text: the error itself would keep the pass's tensors alive."""
    try:
        return action()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _launch(forward: Forward, pairs: Sequence[TokenPair]) -> Callable[[], list[Nll]]:
    """Begin the pass over both sequences of each pair, without sequences that have no token to score."""
    sequences = [each for pair in pairs for each in ((pair.asked, pair.start), (pair.uncond, pair.uncond_start))]
    segments = [Segment(ids=ids, start=start) for ids, start in sequences if start < len(ids)]
    begun = forward.launch(segments) if isinstance(forward, PackedModel) else partial(forward, segments)

    def wait() -> list[Nll]:
        scored = iter(begun())
        nll = [next(scored) if start < len(ids) else torch.empty(0) for ids, start in sequences]
        return list(zip(nll[::2], nll[1::2], strict=True))

    return wait


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
