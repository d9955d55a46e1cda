"""One sample on the terminal, for a person who rates it."""

from collections.abc import Iterator

from rich.text import Text

from schemas import Decision, Sample
from streams.cli.output import errors

_LINES = 12
_MARGIN = 10

KEYS = "keep (k)  drop (d)  skip (s)  undo the last (u)  whole text (f)  quit (q)"


def show_sample(sample: Sample, place: str, whole: bool = False) -> None:
    """Print prompt, answer and decision on standard error; long texts are folded unless `whole`."""
    said = [part for part in (place, sample.task_type, sample.language, sample.sample_id) if part]
    errors.print("\n" + "  ".join(said), style="bold", markup=False, soft_wrap=True)
    width = max(errors.width - _MARGIN, 20)
    for name, text in _parts(sample):
        _show(name, text, width, whole)
    if sample.decision is not None:
        _show("why", reason(sample.decision), width, whole=True)


def _parts(sample: Sample) -> Iterator[tuple[str, str]]:
    prompt = sample.prompt
    yield from (("system", text) for text in (prompt.system,) if text)
    yield from ((turn.role, turn.content) for turn in prompt.history)
    yield "asks", "\n".join(text for text in (prompt.instruction, prompt.input) if text)
    yield "answer", sample.answer.text if sample.answer is not None else ""


def _show(name: str, text: str, width: int, whole: bool) -> None:
    lines = list(folded(text, width))
    shown = lines if whole or len(lines) <= _LINES else lines[: _LINES - 1]
    for number, line in enumerate(shown):
        errors.print(f"{name if not number else '':<{_MARGIN}}{line}", markup=False, soft_wrap=True)
    if len(shown) < len(lines):
        errors.print(f"{'':<{_MARGIN}}… {len(lines) - len(shown)} more lines (f)", style="dim", markup=False)


def folded(text: str, width: int) -> Iterator[str]:
    """Yield the lines of `text`, those wider than `width` columns in parts; control characters as escapes."""
    for line in text.splitlines() or [""]:
        plain = "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line)
        yield from (part.plain.rstrip() for part in Text(plain).wrap(errors, width, overflow="fold")) if plain else [""]


def reason(decision: Decision) -> str:
    """Return the outcome, its reason, and the sum behind it."""
    threshold = "" if decision.threshold is None else f", threshold {decision.threshold:.3f}"
    return f"{decision.outcome}: {decision.reason}{gain(decision)}{threshold}"


def gain(decision: Decision) -> str:
    """Return the gain as the sum of its addends, behind a comma; a preference of 0 is left out. Empty without gain."""
    if decision.gain is None:
        return ""
    names = ("quality", "novelty", "deficit", *(("preference",) if decision.preference else ()))
    values = ((name, getattr(decision, name)) for name in names)
    addends = " + ".join(f"{name} {value:.3f}" for name, value in values if value is not None)
    return f", gain {decision.gain:.3f}{f' = {addends}' if addends else ''}"
