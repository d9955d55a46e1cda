"""`schemas` and `config`."""

import json
from collections.abc import Iterator
from typing import Any

import click

from schemas import json_schema
from streams import settings as settings_module
from streams.cli.common import command, json_option
from streams.cli.options import Command, Options
from streams.cli.output import console, show_json


@click.command(cls=Command)
def schemas() -> None:
    """Print the JSON Schema of the messages."""
    show_json(json_schema())


@click.command(cls=Command)
@json_option
@click.pass_obj
@command
async def config(options: Options, as_json: bool) -> None:
    """Print the settings in effect as a settings file.

    Secrets are shown as stars. The settings come from siftstream.toml (or --config FILE), then from the environment:
    SIFT_<SECTION>_<KEY>, such as SIFT_DIVERSITY_KEEP_RATE=0.2. Put a broker's password into SIFT_BROKER_PASSWORD.
    """
    data = settings_module.shown(options.settings())
    if as_json:
        show_json(data)
        return
    for line in _toml(data):
        console.print(line, markup=False, soft_wrap=True)


def _toml(table: dict[str, Any], path: str = "") -> Iterator[str]:
    """The lines of a TOML table: its plain keys, then the tables in it."""
    inner = {key: value for key, value in table.items() if value and _tables(value)}
    for key, value in table.items():
        if key not in inner:
            yield _line(key, value)
    for key, value in inner.items():
        if isinstance(value, list):
            for item in value:
                yield from ("", f"[[{path}{key}]]", *_toml(item, f"{path}{key}."))
        else:
            head = () if all(map(_tables, value.values())) else ("", f"[{path}{key}]")
            yield from (*head, *_toml(value, f"{path}{key}."))


def _tables(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _line(key: str, value: object) -> str:
    """A line of TOML, which has no null; its strings, booleans and arrays are written as JSON's."""
    return f"# {key} is not set" if value in (None, {}) else f"{key} = {json.dumps(value, ensure_ascii=False)}"
