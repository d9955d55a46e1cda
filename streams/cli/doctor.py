"""`doctor`."""

import sys
from dataclasses import asdict

import click

from streams.cli.common import command, json_option
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, show_json
from streams.inspection import doctor as doctor_module


@click.command(cls=Command)
@json_option
@click.pass_obj
@command
async def doctor(options: Options, as_json: bool) -> None:
    """Check the installation and say how to repair it.

    Checks Python, models, broker, topics, disk and endpoints. The exit code is 1 if a check fails. The first run
    converts the scoring model for transformers, which takes half a minute.
    """
    with errors.status("looking"):
        findings = await doctor_module.examine(options.settings())
    if as_json:
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
            console.print(mark, finding.check.ljust(9), end=" ")
            console.print(finding.found, markup=False, soft_wrap=True)
            if not finding.ok:
                console.print(f"     {finding.do}", markup=False, soft_wrap=True)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)
