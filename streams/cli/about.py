"""`schemas` and `config`."""

import json

import click

from schemas import json_schema
from streams import settings as settings_module
from streams.cli.common import Options, command, console, json_option, show_json


@click.command()
def schemas() -> None:
    """Print the JSON Schema of the messages, for readers in other languages and for validation elsewhere."""
    show_json(json_schema())


@click.command()
@json_option
@click.pass_obj
@command
async def config(options: Options, as_json: bool) -> None:
    """Print the settings in effect, secrets as stars, in the form of a settings file.

    They come from siftstream.toml (or --config FILE), then from the environment: SIFT_<SECTION>_<KEY>, such as
    SIFT_DIVERSITY_KEEP_RATE=0.2. A broker's password belongs into SIFT_BROKER_PASSWORD.
    """
    data = settings_module.shown(options.settings())
    if as_json:
        show_json(data)
        return
    for key, value in data.items():
        if not isinstance(value, dict):
            console.print(_line(key, value), markup=False, soft_wrap=True)
    for section, values in data.items():
        if isinstance(values, dict):
            console.print(f"\n[{section}]", markup=False)
            for key, value in values.items():
                console.print(_line(key, value), markup=False, soft_wrap=True)


def _line(key: str, value: object) -> str:
    """A line of TOML, which has no null; its strings and booleans are written as JSON's."""
    return f"# {key} is not set" if value is None else f"{key} = {json.dumps(value, ensure_ascii=False)}"
