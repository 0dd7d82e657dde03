"""`overt`: the commands, and the one place where errors become messages and exit codes.

Exit codes: 0 done; 2 to 7 the kinds of `overt.errors` (7 also when `overt reconcile`, `overt ledger verify`, `footage`
or `consents` finds that something is wrong); 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Final

import typer
from typer.exceptions import Abort, TyperException

from overt.cli.output import complain, report
from overt.errors import OvertError

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
COMMANDS: Final = {
    "serve": "overt.cli.serving.command",
    "backup": "overt.cli.serving.backup",
    "restore": "overt.cli.serving.backup",
    "record": "overt.cli.record",
    "spans": "overt.cli.spans",
    "reconcile": "overt.cli.reconcile",
    "export": "overt.cli.export",
    "keys": "overt.cli.keys",
    "ledger": "overt.cli.ledger.command",
    "witness": "overt.cli.witness.command",
    "view": "overt.cli.view",
    "simulate": "overt.cli.simulate",
    "demo": "overt.cli.demo",
    "bench": "overt.cli.bench.command",
}
"""The commands in the order of the help, and the module of each: a function of its name there, or else an `app`.

A module is imported when its command is asked for: all of them together take several times as long as one.
"""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the program with these of its commands."""
    app = typer.Typer(
        name="overt",
        help="CCTV for public bodies: records cameras, seals the footage as it is written, and says what is missing.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_main)
    for name in names:
        module = import_module(COMMANDS[name])
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def _show_version(asked: bool) -> None:
    """Print the version and end, if it was asked for."""
    if asked:
        typer.echo(f"overt {version('overt')}")
        raise typer.Exit


def _main(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; return the exit code. Errors of ours and of usage are printed, others propagate."""
    as_json = "--json" in arguments
    asked = [name for name in arguments[:1] if name in COMMANDS]
    command = typer.main.get_command(application(asked or COMMANDS))
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
