"""Tables, lines and JSON documents: whole in a file, fitted to a terminal."""

from typing import Any

import click
import orjson
from rich.console import Console, ConsoleDimensions
from rich.table import Table

_FILE_WIDTH = 100_000
"""Characters of a line that is no terminal's: no table is as wide, so none is wrapped."""


class _Output(Console):
    """A console that wraps and shortens on a terminal only: a file or a pipe gets everything."""

    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        """The terminal's size, or room for any line."""
        return super().size if self.is_terminal else ConsoleDimensions(_FILE_WIDTH, 25)


console = _Output(highlight=False)
errors = Console(stderr=True, highlight=False)


def show_json(data: Any) -> None:
    """Print one JSON document."""
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def table(title: str, *columns: str) -> Table:
    """Make a table in the house style. A column whose name begins with ``#`` holds figures, which are never broken."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        figures = column.startswith("#")
        made.add_column(column.lstrip("#"), justify="right" if figures else "left", no_wrap=figures, overflow="fold")
    return made


def clipped(text: str, length: int) -> str:
    """Shorten `text` to `length` characters for a terminal; a file gets all of it."""
    if not console.is_terminal or len(text) <= length:
        return text
    return text[: length - 1] + "…"


def say(line: str) -> None:
    """Print one line on standard output."""
    console.print(line, soft_wrap=True, markup=False)


def say_aside(line: str) -> None:
    """Print one dim line on standard error, beside the command's output."""
    errors.print(line, style="dim", soft_wrap=True, markup=False)
