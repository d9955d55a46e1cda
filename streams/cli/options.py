"""The global options, and commands that take them before and after their name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from streams import settings as settings_module
from streams.cli.logs import set_up_logging
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Options:
    """The values of the global options; None for those that were not given."""

    config: Path | None = None
    dir: Path | None = None
    broker: str | None = None
    prefix: str | None = None
    verbose: bool = False

    def settings(self) -> Settings:
        """Return the effective settings."""
        overrides = {"dir": self.dir, "broker.bootstrap": self.broker, "prefix": self.prefix}
        return settings_module.load(self.config, overrides)

    def arguments(self) -> list[str]:
        """Return the same options for the command line of a child process."""
        named = {"--config": self.config, "--dir": self.dir, "--broker": self.broker, "--prefix": self.prefix}
        given = [f"{name}={value}" for name, value in named.items() if value is not None]
        return [*given, "--verbose"] if self.verbose else given


def _merge(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Put a given value into the context's options; commands inherit those of their group."""
    options = context.obj or Options()
    context.obj = replace(options, **{str(parameter.name): value}) if value else options


def _verbose(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    _merge(context, parameter, value)
    if value:
        set_up_logging(verbose=True)


def _option(*names: str, **settings: Any) -> click.Option:
    settings.setdefault("callback", _merge)
    return click.Option(names, expose_value=False, **settings)


GLOBAL_OPTIONS = (
    _option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read settings from this file [siftstream.toml].",
    ),
    _option("--dir", type=click.Path(path_type=Path, file_okay=False), help="Use this run directory [.siftstream]."),
    _option("--broker", metavar="HOST:PORT", help="Use this Kafka instead of the embedded broker."),
    _option("--prefix", help="Begin the names of topics and groups with this [sift]."),
    _option("-v", "--verbose", is_flag=True, callback=_verbose, help="Also log messages of the libraries."),
)


class _GlobalOptions(click.Command):
    """Adds the global options to a command and shows them in a section of their own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, then the global ones."""
        return [*super().get_params(ctx), *GLOBAL_OPTIONS]

    def _write_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write(ctx, formatter, "Options", super().get_params(ctx))

    def _write_global_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write(ctx, formatter, "Global options", GLOBAL_OPTIONS)


def _write(
    ctx: click.Context, formatter: click.HelpFormatter, title: str, parameters: Sequence[click.Parameter]
) -> None:
    if rows := [record for parameter in parameters if (record := parameter.get_help_record(ctx))]:
        with formatter.section(title):
            formatter.write_dl(rows)


class Command(_GlobalOptions):
    """A command that takes the global options behind its name too; there they win."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then the global ones."""
        self._write_options(ctx, formatter)
        self._write_global_options(ctx, formatter)


class Group(_GlobalOptions, click.Group):
    """A group whose commands take the global options; its list of commands is never shortened."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, the commands, then the global options."""
        self._write_options(ctx, formatter)
        self.format_commands(ctx, formatter)
        self._write_global_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with their whole summaries."""
        self.write_commands(ctx, formatter, "Commands", self.list_commands(ctx))

    def write_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter, title: str, names: Sequence[str]
    ) -> None:
        """Write a section of commands; a long summary takes a second line instead of an ellipsis."""
        width = max(map(len, self.list_commands(ctx)))  # the same for all sections of one help
        found = [(name, command) for name in names if (command := self.get_command(ctx, name)) and not command.hidden]
        with formatter.section(title):
            formatter.write_dl([(name.ljust(width), command.get_short_help_str(limit=1000)) for name, command in found])
