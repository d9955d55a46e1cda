"""Loops: a small or overheated model repeats one phrase over and over until it is cut off."""

import re

MIN_REPEATS = 5
"""The repeats at the end of a text that make a loop; a song may repeat its last line three or four times."""
MIN_CHARS = 60
"""A shorter run is a row of dots, of zeros, or of closing brackets."""
MAX_CHARS = 20_000
"""Only so much of the end is read: more than a loop needs to show, little enough to cost milliseconds."""

_NUMBERING = re.compile(r"^\W{0,20}(?:\d+|[a-z])[.):、]\s*", re.MULTILINE)


def loop_share(text: str) -> float:
    """Return the share of `text`, in [0, 1], that is its last unit, repeated `MIN_REPEATS` times or more; 0 if no loop.

    A loop is a repeat without a gap at the end of the text. This is stricter than the duplicate n-grams and lines by
    which web pages are judged (Gopher, arXiv 2112.11446, table A1; there 0.1 to 0.3 is too much): tables, code,
    refrains and forms are full of those, and good ones are worth keeping. List numbers, case and white space are
    ignored.
    """
    said = " ".join(_NUMBERING.sub("", text[-2 * MAX_CHARS :].lower()).split())
    end = said[-MAX_CHARS:]
    looping = _loop_chars(end[::-1])
    return looping / len(end) if looping >= MIN_CHARS else 0.0


def _loop_chars(text: str) -> int:
    """Return the length of the longest beginning of `text` that is one unit, `MIN_REPEATS` times or more (the last may
    be cut).

    The prefix function of Knuth, Morris and Pratt gives the shortest period of every beginning in linear time.
    """
    borders = [0] * len(text)
    longest = matched = 0
    for i in range(1, len(text)):
        while matched and text[i] != text[matched]:
            matched = borders[matched - 1]
        matched += text[i] == text[matched]
        borders[i] = matched
        if i + 1 >= MIN_REPEATS * (i + 1 - matched):
            longest = i + 1
    return longest
