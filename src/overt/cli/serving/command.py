"""`overt serve`: one command that runs everything on one machine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from overt.cli.moments import shown
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.cli.record import guard_process, logging_shown, signals
from overt.cli.serving.configuration import ServeConfiguration, read_configuration
from overt.cli.serving.program import ServeProgram
from overt.contract.instant import from_iso
from overt.control.order import ControlOrder
from overt.recorder.systemd import notify

CONTROL_LOG: Final = "control-room.log"

ConfigOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="TOML file with the tables [control] and [recorder].")
]
DataOption = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Directory for database, keys and footage. (overt-data if not given)"),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="postgresql://... A password in it is seen in the process list: prefer --config."),
]


def serve(
    *,
    config: ConfigOption = None,
    data: DataOption = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address of the pages. (127.0.0.1:8443 if not given)")
    ] = None,
    media_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the pictures, at the same host. (8444 if not given)")
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host name by which browsers call it; may be given many times."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate with its chain, PEM. (makes its own if not given)")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate's private key, PEM.")
    ] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="No encryption; on loopback alone.")] = False,
    database: DatabaseOption = None,
    organisation: Annotated[str | None, typer.Option(help="Whose system it is, as pages say at their head.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run control room and recorder until stopped (SIGTERM, Ctrl-C); print a link for the first account."""
    output = Output(as_json=as_json)
    guard_process()
    given: dict[str, Any] = {
        "data": data,
        "listen": listen,
        "media_port": media_port,
        "names": tuple(name) if name else None,
        "certificate": certificate,
        "private_key": private_key,
        "plain_http": plain_http or None,
        "database": database,
        "organisation": organisation,
    }
    configuration = read_configuration(config, {key: value for key, value in given.items() if value is not None})
    with logging_shown(output):
        code = run(configuration, output)
    if code:
        raise typer.Exit(code)


def run(
    configuration: ServeConfiguration,
    output: Output,
    *,
    seconds: float | None = None,
    greeting: Callable[[], None] | None = None,
) -> int:
    """Run both until a signal or the end of `seconds`; return the exit code.

    `greeting` is called once the pages are served, in place of saying where they are.

    Raises:
        UnavailableError: the address of the pages cannot be used.
    """
    ended = threading.Event()
    greeter = _Greeter(configuration, output, greeting)
    on_terminal = output.console.is_terminal and not output.as_json
    log = configuration.control.data / CONTROL_LOG if on_terminal else None
    configuration.control.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    pair = configuration.certificate
    program = ServeProgram(
        configuration,
        lambda listener: ControlOrder(
            configuration.control, listener, (str(pair[0]), str(pair[1])) if pair else None
        ).to_line(),
        greeter.heard,
        as_json=output.as_json,
        log=log,
    )
    with signals(ended, lambda: None):
        if seconds is not None:
            timer = threading.Timer(seconds, ended.set)
            timer.daemon = True
            timer.start()
        try:
            return program.run(ended)
        finally:
            program.close()


class _Greeter:
    """Says, once the pages are served, where they are and how to begin."""

    def __init__(self, configuration: ServeConfiguration, output: Output, greeting: Callable[[], None] | None) -> None:
        self._configuration, self._output = configuration, output
        self._greet = greeting or self._say_where
        self._greeted = False

    def heard(self, told: dict[str, Any]) -> None:
        """Take what the control room says."""
        if told.get("started") and not self._greeted:
            self._greeted = True
            notify("READY=1")
            self._greet()
        if "setup_path" in told:
            self._say_setup(str(told["setup_path"]), str(told["expires"]))

    def _say_where(self) -> None:
        control, own = self._configuration.control, self._configuration.own
        text = Text(f"\nOvert is at {control.origin}\n", style="bold")
        value: dict[str, Any] = {"address": control.origin}
        if own is not None:
            value |= {"authority": str(own.authority), "authority_sha256": own.fingerprint}
            text.append(
                f"Its certificate was made here. Browsers trust it once {own.authority} is among the authorities that "
                f"they trust; the SHA-256 of that is\n{own.fingerprint}\n",
                "not bold",
            )
        self._output.line(value, text)

    def _say_setup(self, path: str, expires: str) -> None:
        link = self._configuration.control.origin + path
        until = shown(from_iso(expires), None)[:19]
        text = Text(f"\nTo set it up, open this link; it works once, until {until}:\n")
        text.append(f"{link}\n", "bold")
        self._output.line({"setup_link": link, "expires": expires}, text)
