"""The gate for leftovers of web pages: tags of layout and entities in an answer that is not about them."""

import re

from processors.gates.base import Gate, recorded
from schemas import Sample

_TAGS = (
    "p|br|hr|div|span|a|b|i|u|em|strong|font|center|ul|ol|li|table|tbody|thead|tr|td|th"
    "|h[1-6]|img|script|style|blockquote"
)
_DEBRIS = re.compile(
    rf"</?(?:{_TAGS})(?:\s[^<>\n]{{0,200}})?/?>"
    r"|&(?:nbsp|amp|quot|lt|gt|apos|rsquo|lsquo|ldquo|rdquo|mdash|hellip|#\d{2,5});",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"html|xml|css\b|\bweb|\btags?\b|\bmarkup|\breact|jsx|\bvue|angular|php|django|jinja|\bdom\b|\bentit|\bescap"
    r"|hyperlink|\bbutton|\bform\b|\bdropdown|heading|\bpage|网页|网站|标签|标记|页面|前端|按钮|超链接",
    re.IGNORECASE,
)
"""Requests that may want markup."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def debris(sample: Sample, answer: str) -> float | None:
    """Return the number of tags and entities outside of code; None if the request may want markup or has some."""
    asked = f"{sample.prompt.system}\n{sample.prompt.text()}"
    if _MARKUP.search(asked) or _DEBRIS.search(asked):
        return None
    return float(len(_DEBRIS.findall(_CODE.sub(" ", answer))))


GATE = Gate(
    name="html_debris",
    meaning="the answer has leftovers of a web page: tags or entities",
    source="benchmarks/gates.py",
    measure=debris,
    suspicion=recorded("html_debris"),
)
"""Its number counts tags and entities."""
