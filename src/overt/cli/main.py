"""`overt`: the commands, and the one place where errors become messages and exit codes.

Exit codes: 0 done; 2 to 7 the kinds of `overt.errors` (7 also when `overt reconcile` finds differences); 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Final

import typer
from typer.exceptions import Abort, TyperException

from overt.cli import demo, export, grant_keys, keys, reconcile, record, simulate, spans, view
from overt.cli.bench import command as bench
from overt.cli.output import complain, report
from overt.cli.serving import backup as backups
from overt.cli.serving import command as serving
from overt.errors import OvertError

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

app = typer.Typer(
    name="overt",
    help="CCTV for public bodies: records cameras, seals the footage as it is written, and says what is missing.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serving.serve)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)
app.command("record")(record.record)
app.command("spans")(spans.spans)
app.command("reconcile")(reconcile.reconcile)
app.command("export")(export.export)
keys.app.command("grant-key")(grant_keys.grant_key)
app.add_typer(keys.app, name="keys")
app.command("view")(view.view)
app.command("simulate")(simulate.simulate)
app.command("demo")(demo.demo)
app.add_typer(bench.app, name="bench")


def _show_version(asked: bool) -> None:
    """Print the version and end, if it was asked for."""
    if asked:
        typer.echo(f"overt {version('overt')}")
        raise typer.Exit


@app.callback()
def _main(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; return the exit code. Errors of ours and of usage are printed, others propagate."""
    as_json = "--json" in arguments
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="overt", standalone_mode=False)
    except OvertError as error:
        return report(error, as_json=as_json)
    except TyperException as error:
        # Without a command the help was shown, and the error has nothing to say.
        if message := error.format_message().strip():
            complain("invalid", f"{message} (see overt --help)", as_json=as_json)
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def run() -> None:
    """Run the command that the process was started with, and end the process with its exit code."""
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output is gone (`overt spans ... | head`); nothing may be printed at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)
