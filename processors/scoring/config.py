"""How scoring is configured: apart from the scorer, so that reading the settings loads no model library."""

from dataclasses import dataclass
from typing import Literal, get_args

from processors.models.files import CAUSAL_DEFAULT, EMBEDDER_DEFAULT

ConventionName = Literal["superfilter", "cherry", "aligned", "chat-template"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """Which models score, and where they run."""

    model: str = CAUSAL_DEFAULT
    """``smollm2-135m``, a checkpoint folder, or a name on the hub."""
    embedder: str = EMBEDDER_DEFAULT
    """``minilm``, or a folder with ``model.onnx`` and ``tokenizer.json``."""
    convention: ConventionName = "superfilter"
    """``superfilter``, ``cherry``, ``aligned`` or ``chat-template``: see `processors.scoring.conventions`."""
    max_length: int = 1024
    """Longest sequence in tokens, prompt and answer together; 1024 is Superfiltering's, 512 Cherry_LLM's."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of weights and products; float32 equals the reference, bfloat16 is off by up to 8 percent on one sample."""
    cascade: bool = True
    """With dtype float32: score in bfloat16 (float16 on a GPU) first, and in float32 only what that leaves undecided,
    being too near to IFD 1; where the device is no faster in bfloat16, all in float32."""
    device: str = "cpu"
    """Where the causal model runs, as torch names it; the embedder runs on the CPU."""
    threads: int = 0
    """Cores to score with, at least 1; 0 for the libraries' own choice."""

    def __post_init__(self) -> None:
        if self.convention not in get_args(ConventionName):
            raise ValueError(f"convention is {self.convention!r}: one of {', '.join(get_args(ConventionName))}")
        if self.max_length < 2:
            raise ValueError(f"max_length is {self.max_length}: a prompt and an answer need at least 2 tokens")
        if self.dtype not in ("float32", "float16", "bfloat16"):
            raise ValueError(f"dtype is {self.dtype!r}: float32, float16 or bfloat16")
        if self.threads < 0:
            raise ValueError(f"threads is {self.threads}: 0 or more")
