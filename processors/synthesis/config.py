"""The settings of synthesis."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from processors.bounds import AtLeastZero, NotNegative, Positive, Share
from processors.text.language_codes import LANGUAGES

Style = Literal["list", "turns", "json"]
PolicyName = Literal["uniform", "coverage"]


def _split(value: Any) -> Any:
    """Split a text at its commas, since an environment variable or an option holds several words in one text."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]

# The words of the paper's code, then further ones for pictures and sound, then Chinese ones.
BLOCKED = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot"),
    *("go to", "video", "videos", "audio", "music", "flowchart", "diagram"),
    *("图片", "图像", "照片", "视频", "音频", "文件", "地图", "画一", "绘制", "流程图"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisConfig:
    """The settings of Self-Instruct: the examples, the request to the model, and the filters."""

    skills: str = ""
    """A folder of task types of your own, each replacing the shipped one of its name; empty for none."""
    languages: Words = ("en",)
    """Languages to ask for, drawn at random: ISO 639-1 codes with commas between them."""
    style: Style = "turns"
    """How the model is asked: ``turns`` shows the examples as turns of a chat and gets one prompt per call, which a
    small model understands best; ``list`` continues a numbered list (the paper's way) and ``json`` asks for JSON by
    schema: several prompts per call for a fraction of the tokens, if the model is a strong one.
    """
    policy: PolicyName = "uniform"
    """How task types are chosen: ``uniform`` draws all equally often; ``coverage`` learns from the kept samples, and
    prefers task types that yield much per token in topics with few of them.
    """
    coverage_exponent: AtLeastZero = 0.5
    """With policy ``coverage``: how much more a prompt pays in a topic with few kept samples. 0 rewards yield alone,
    which costs variety; 2 rewards variety at the cost of yield.
    """
    human_examples: NotNegative = 6
    """Examples per call from the skill library and your own seeds."""
    generated_examples: NotNegative = 2
    """Examples per call from earlier synthesis; human ones are used if there are too few."""
    per_call: Positive = 8
    """New prompts to request in one call; with ``turns`` it is one."""
    in_flight: Positive = 4
    """Most calls in flight at a time."""
    max_similarity: Share = 0.7
    """A prompt is known if its ROUGE-L (F1) with any instruction of the pool is at least this."""
    min_words: Positive = 4
    """Fewest words of an instruction; two Chinese characters count as one word."""
    max_words: int = 150
    """Most words of an instruction."""
    blocked: Words = BLOCKED
    """Words for tasks that a language model cannot do; a prompt with one of them is rejected."""
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
        """Prompts that one call returns if all of them are good."""
        return 1 if self.style == "turns" else self.per_call
