"""The settings of scoring, in a module of their own so that reading the settings loads no model library."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from processors.bounds import NotNegative
from processors.models.files import CAUSAL_DEFAULT, EMBEDDER_DEFAULT

DtypeName = Literal["float32", "float16", "bfloat16"]
ConventionName = Literal["superfilter", "cherry", "aligned", "chat-template"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """The models that score, and where they run."""

    model: str = CAUSAL_DEFAULT
    """``smollm2-135m``, a checkpoint folder, or a name on the hub."""
    embedder: str = EMBEDDER_DEFAULT
    """``multilingual-e5-small``; ``minilm`` (English, half the time); or a folder, in ONNX or of Sentence
    Transformers: see `processors.models.embedder_files`.
    """
    convention: ConventionName = "superfilter"
    """The definition of IFD: see `processors.scoring.conventions`."""
    max_length: Annotated[int, Field(ge=2)] = 1024
    """Longest sequence in tokens, prompt and answer together; 1024 is Superfiltering's, 512 Cherry_LLM's."""
    dtype: DtypeName = "float32"
    """Type of weights and products; float32 equals the reference, bfloat16 is off by up to 8 percent on one sample."""
    cascade: bool = True
    """With dtype float32: score in bfloat16 (float16 on a GPU) first, then in float32 only samples too near to IFD 1.
    If the device is no faster in bfloat16, score all in float32.
    """
    device: str = "cpu"
    """The device of the causal model, as torch names it, and of an embedder that runs on torch."""
    threads: NotNegative = 0
    """Cores to score with; 0 leaves the choice to the libraries."""
