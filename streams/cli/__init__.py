"""The command line. `siftstream --help` is where a new user begins."""

import importlib
import logging
from pathlib import Path

import click

from streams.cli.common import Options

# Command to the module that defines it: a command loads what it needs and nothing else, so `--help` is quick.
COMMANDS = {
    "demo": "demo",
    "up": "run",
    "worker": "run",
    "ingest": "ingest",
    "rules": "rules",
    "llm": "llm",
    "synthesize": "synthesize",
    "experiment": "experiment",
    "skills": "skills",
    "status": "inspect",
    "ledger": "inspect",
    "trace": "inspect",
    "diversity": "diversity",
    "scorer": "scorer",
    "models": "models",
    "dlq": "dlq",
    "budget": "budget",
    "export": "export",
    "topics": "topics",
    "schemas": "config",
    "config": "config",
    "doctor": "doctor",
}


class Lazy(click.Group):
    """A group whose commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings file [siftstream.toml].")
@click.option("--dir", type=click.Path(path_type=Path, file_okay=False), help="The run's directory [.siftstream].")
@click.option("--broker", metavar="HOST:PORT", help="A Kafka to use instead of the embedded broker.")
@click.option("--prefix", help="First part of topic and group names [sift].")
@click.option("-v", "--verbose", is_flag=True, help="Log what the libraries do, too.")
@click.version_option(package_name="siftstream")
@click.pass_context
def main(
    ctx: click.Context, config: Path | None, dir: Path | None, broker: str | None, prefix: str | None, verbose: bool
) -> None:
    """Instruction data for LLM fine-tuning as a live stream.

    Samples flow one by one through stages that are linked by Kafka topics: scored by how much the instruction helps
    to predict the answer (IFD), then kept or rejected by what they add to what was kept before.

    \b
    A first look:        siftstream demo
    Your own data:       siftstream up                   (leave it running)
                         siftstream ingest data.jsonl    (in a second terminal)
                         siftstream status
                         siftstream export out/
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(asctime)s %(levelname).1s %(name)s: %(message)s"
    )
    logging.getLogger("streams").setLevel(logging.INFO)
    for name in ("agent", "consumer", "producer"):  # Faust's services log their starting and stopping here
        logging.getLogger(f"streams.delivery.{name}").setLevel(logging.INFO if verbose else logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Seldom())
    ctx.obj = Options(config, dir, broker, prefix)


class Seldom(logging.Filter):
    """Lets a message of one place through once in five seconds: a broker that is away repeats itself."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let it through."""
        if not record.name.startswith("aiokafka"):
            return True
        place = f"{record.pathname}:{record.lineno}"
        if record.created - self._last.get(place, 0.0) < 5.0:
            return False
        self._last[place] = record.created
        return True
