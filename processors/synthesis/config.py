"""How prompts are synthesized."""

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
    """Self-Instruct: what is shown to the model, what is asked of it, and what is let through."""

    skills: str = ""
    """A folder of task types of your own; one of the same name replaces the shipped one. Empty is none."""
    languages: Words = ("en",)
    """Languages to ask for, in turn at random: ISO 639-1 codes with commas between them."""
    style: Style = "turns"
    """How the model is asked: ``turns`` shows the examples as turns of a chat and gets one prompt per call, which a
    small model understands best; ``list`` continues a numbered list (the paper's way) and ``json`` asks for JSON by
    schema: several prompts per call for a fraction of the tokens, if the model is a strong one."""
    policy: PolicyName = "uniform"
    """Which task types are asked for: ``uniform`` takes all alike; ``coverage`` learns from what was kept, and prefers
    those that bring much per token where little is there."""
    coverage_exponent: AtLeastZero = 0.5
    """With policy ``coverage``: how much more a prompt pays where little is there. 0 asks for yield alone, which costs
    variety; 2 asks for variety at the cost of yield."""
    human_examples: NotNegative = 6
    """Examples per call out of the skill library and your own seeds."""
    generated_examples: NotNegative = 2
    """Examples per call out of earlier synthesis, as far as there are some; human ones fill the gap."""
    per_call: Positive = 8
    """New prompts to ask for in one call; ``turns`` gets one."""
    in_flight: Positive = 4
    """Most calls at a time."""
    max_similarity: Share = 0.7
    """ROUGE-L (F1) with any instruction of the pool from which a prompt counts as known."""
    min_words: Positive = 4
    """Fewest words of an instruction; two Chinese characters count as one."""
    max_words: int = 150
    """Most words of an instruction."""
    blocked: Words = BLOCKED
    """Words that ask for what a language model cannot do; a prompt with one of them is rejected."""
    max_candidates: Positive = 50
    """`siftstream synthesize --count N` gives up after so many candidates per prompt wanted."""
    continuous: bool = False
    """`siftstream up` synthesizes all the time, as ``siftstream synthesize --continuous`` does."""
    per_minute: AtLeastZero = 0.0
    """Continuous mode: prompts to accept per minute; 0 is no limit."""
    target_lag: NotNegative = 64
    """Continuous mode: pause while so many prompts wait for an answer; 0 is no limit."""

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
