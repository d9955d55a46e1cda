"""Whether Python code in a text can be read; in doubt it can."""

import ast
import re
import textwrap
import warnings

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+#-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON_FENCES = frozenset(("python", "python3", "py"))
_STATEMENT = re.compile(
    r"^(?:def \w+\(|class \w+[^{\n]*:|import \w|from [\w.]+ import|for \w.* in |while .*:|if .*:|with .*:|try:|@\w"
    r"|print\()",
    re.MULTILINE,
)
_BRACES = re.compile(r"[){\w] *\{ *$", re.MULTILINE)
"""Swift, Java and others begin with an import too; no line of Python ends in a word and a brace."""
_PYTHON_2 = re.compile(r"^(\s*)print +(?![(=])(.+)$", re.MULTILINE)
_MOST_PARAGRAPHS, _MOST_CHARS = 8, 20_000
_COMMENT = re.compile(r"(?:(?<=^)|(?<=\s))//(?!=)(?=\s)", re.MULTILINE)
_PROMPT = re.compile(r"^(?:>>> ?|\.\.\. ?)", re.MULTILINE)


def broken_share(text: str, is_python: bool) -> float | None:
    """Return the share of the Python blocks in `text`, in [0, 1], that cannot be parsed; None if there is none.

    Blocks are fenced ones that are called Python. If there is no fence and `is_python`, the text itself is a block, as
    long as it begins like a statement. Snippets pass: indented ones, console sessions, Python 2, comments of C.
    """
    fences = _FENCE.findall(text)
    blocks = [code for name, code in fences if name.lower() in _PYTHON_FENCES]
    if not fences and is_python and _STATEMENT.match(text.lstrip()) and not _BRACES.search(text):
        blocks = [text]
    return sum(not _readable(block) for block in blocks) / len(blocks) if blocks else None


def _readable(code: str) -> bool:
    plain = textwrap.dedent(code.replace("\u00a0", " ").expandtabs(4)).strip("\n")
    forms = [plain, f"{plain.rstrip()} pass", _PYTHON_2.sub(r"\1print(\2)", plain), _COMMENT.sub("#", plain)]
    if _PROMPT.search(plain):
        forms.append("\n".join(line[4:] for line in plain.splitlines() if _PROMPT.match(line)))
    return any(map(_parses, forms)) or _parses_with_prose(plain)


def _parses_with_prose(code: str) -> bool:
    """Return whether the code parses without the paragraphs behind it, which may be prose or its output."""
    head, blank, _ = code.rpartition("\n\n")
    for _ in range(_MOST_PARAGRAPHS):
        if not blank:
            break
        rest = code[len(head) :].strip()
        if not _STATEMENT.search(rest) and _parses(head):
            return True
        head, blank, _ = head.rpartition("\n\n")
    return False


def _parses(code: str) -> bool:
    if len(code) > _MOST_CHARS:
        return True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
