"""The command line. `siftstream --help` is where a new user begins."""

import importlib

import click

from streams.cli.logs import set_up_logging
from streams.cli.options import Group, Options

SECTIONS = {
    "Run": {"demo": "demo", "up": "run", "worker": "run"},
    "Data": {
        "ingest": "ingest",
        "rules": "rules",
        "skills": "skills",
        "synthesize": "synthesize",
        "rate": "rate",
        "export": "export",
    },
    "Models": {
        "models": "models",
        "budget": "budget",
        "llm": "llm",
        "scorer": "scorer",
        "experiment": "experiment",
        "prove": "prove",
    },
    "Inspect": {"status": "inspect", "ledger": "inspect", "trace": "inspect", "diversity": "diversity"},
    "Operate": {"doctor": "doctor", "dlq": "dlq", "topics": "topics", "config": "config", "schemas": "config"},
}
"""The commands in the order of `--help`, each with the module that defines it."""

# A command imports the modules that it needs and no others, so that it starts quickly.
COMMANDS = {name: module for section in SECTIONS.values() for name, module in section.items()}


class Main(Group):
    """The group of all commands, imported when they are needed and listed by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the sections."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of commands per section."""
        for title, commands in SECTIONS.items():
            self.write_commands(ctx, formatter, title, list(commands))


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="siftstream")
@click.pass_obj
def main(options: Options) -> None:
    """Instruction data for LLM fine-tuning as a live stream.

    Samples flow one by one through stages that Kafka topics link. Each sample is scored by how much its instruction
    helps to predict its answer (IFD). It is then kept or rejected by what it adds to the samples kept before.

    \b
    A first look:        siftstream demo
    Your own data:       siftstream up                   (leave it running)
                         siftstream ingest data.jsonl    (in a second terminal)
                         siftstream status
                         siftstream export out/
    """
    set_up_logging(options.verbose)
