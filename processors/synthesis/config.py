"""The configuration of synthesis."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from processors.bounds import AtLeastZero, NotNegative, Positive, Share
from processors.text.language_codes import LANGUAGES

Style = Literal["list", "turns", "json"]
PolicyName = Literal["uniform", "coverage"]


def _split(value: Any) -> Any:
    """An environment variable or an option holds several words with commas between them."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]

# The words of the paper's code, then those that ask for what a text model cannot see or do, and the Chinese ones.
BLOCKED = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot"),
    *("go to", "video", "videos", "audio", "music", "flowchart", "diagram"),
    *("图片", "图像", "照片", "视频", "音频", "文件", "地图", "画一", "绘制", "流程图"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisConfig:
    """Self-Instruct: the examples shown to the model, the form of the request, and the filters of its replies."""

    skills: str = ""
    """A folder of task types of your own; a task type replaces the shipped one of the same name. Empty is none."""
    languages: Words = ("en",)
    """Languages to ask for, drawn at random: ISO 639-1 codes; with commas between them in an environment variable."""
    style: Style = "turns"
    """The form of the request. ``turns`` shows the examples as turns of a chat and gets one prompt per call, which
    small models understand best. ``list`` continues a numbered list, as in the paper, and ``json`` asks for JSON by
    schema: from a strong model, both get several prompts per call for a fraction of the tokens."""
    policy: PolicyName = "uniform"
    """The choice of task types. ``uniform`` draws all alike; ``coverage`` learns from decisions, and prefers task types
    that bring many kept samples per token in regions of which little has been kept."""
    coverage_exponent: AtLeastZero = 0.5
    """With policy ``coverage``: the extra reward for regions of which little has been kept. 0 rewards yield alone, at
    the cost of variety; 2 rewards variety at the cost of yield."""
    human_examples: NotNegative = 6
    """Examples per call from the skill library and your own seeds."""
    generated_examples: NotNegative = 2
    """Examples per call from earlier synthesis; if there are too few, human ones replace them."""
    per_call: Positive = 8
    """New prompts to request in one call; with ``turns`` it is one."""
    in_flight: Positive = 4
    """Most calls at a time."""
    max_similarity: Share = 0.7
    """ROUGE-L (F1) with an instruction of the pool from which on a prompt is rejected as too similar."""
    min_words: Positive = 4
    """Fewest words of an instruction; two Chinese characters count as one word."""
    max_words: int = 150
    """Most words of an instruction."""
    blocked: Words = BLOCKED
    """Words of requests that a language model cannot fulfil; a prompt with one of them is rejected."""
    max_candidates: Positive = 50
    """`siftstream synthesize --count N` gives up after this many candidates per requested prompt."""
    continuous: bool = False
    """Whether `siftstream up` synthesizes all the time, like ``siftstream synthesize --continuous``."""
    per_minute: AtLeastZero = 0.0
    """Continuous mode: prompts to accept per minute; 0 is no limit."""
    target_lag: NotNegative = 64
    """Continuous mode: pause while this many prompts wait for an answer; 0 is no limit."""

    def __post_init__(self) -> None:
        if not self.languages or not LANGUAGES.issuperset(self.languages):
            raise ValueError("languages needs at least one ISO 639-1 code, such as en, and no other words")
        if not self.human_examples + self.generated_examples:
            raise ValueError("human_examples and generated_examples are not both 0")
        if self.max_words < self.min_words:
            raise ValueError("max_words is at least min_words")

    @property
    def prompts_per_call(self) -> int:
        """Prompts that one call brings if all of them are good."""
        return 1 if self.style == "turns" else self.per_call
