"""`overt demo`: a council that is not there, with four simulated cameras on real sockets, run as `overt serve` does."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
from rich.text import Text

from overt.cli.demo_cameras import simulated_cameras
from overt.cli.demo_words import ACCOUNTS, ORGANISATION, PASSWORD
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.cli.record import guard_process, logging_shown
from overt.cli.serving.asking import ask
from overt.cli.serving.command import run
from overt.cli.serving.configuration import read_configuration
from overt.clock import SystemClock
from overt.contract.assignment import CameraAssignment
from overt.contract.instant import SECOND, datetime_of
from overt.errors import UnavailableError
from overt.new_file import write_new
from overt.sealing import custody
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients

DEFAULT_FOLDER: Final = Path("demo-data")
PASSPHRASE: Final = "four cameras on the high street"  # noqa: S105
"""Known to everybody: it protects footage of cameras that are not there."""
SITE: Final = "Overt demonstration"
COUNCIL: Final = "overt.cli.demo_council"
UNATTENDED_S: Final = 30.0
"""How long the demo runs where nobody can press Ctrl-C."""
CLIP_NS: Final = 10 * SECOND
RTSP_PORT: Final = 554
PORT: Final = 8443
"""Of the pages; that of the pictures is the next. If one is taken, free ones are used."""


@dataclass(frozen=True, slots=True)
class DemoPlace:
    """Where the demo keeps its things."""

    folder: Path

    @property
    def footage(self) -> Path:
        """The footage directory."""
        return self.folder / "footage"

    @property
    def key(self) -> Path:
        """The custodian's key file."""
        return self.folder / "custodian.key"

    @property
    def passphrase(self) -> Path:
        """File with its passphrase, so that nobody has to type it at each start."""
        return self.folder / "custodian-passphrase.txt"

    @property
    def recipients(self) -> Path:
        """The public keys, which are all that the recorder gets."""
        return self.folder / "recipients.json"


def demo(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Stop after so many seconds. (until Ctrl-C if not given; 30 without a terminal)"),
    ] = None,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory for the demo's data; continued if it exists.")
    ] = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Run a fictional council with four simulated cameras, recorded and sealed; print where and how to sign in."""
    guard_process()
    output = Output(as_json=as_json)
    place = DemoPlace(data)
    if seconds is None and not output.console.is_terminal:
        seconds = UNATTENDED_S
    make_keys(place, output)
    pages, pictures = _ports()
    settings: dict[str, Any] = {
        "data": place.folder,
        "listen": f"127.0.0.1:{pages}",
        "media_port": pictures,
        "plain_http": True,
        "organisation": ORGANISATION,
        "camera_ranges": ["127.0.0.0/8"],
        "second_factor": "optional",
        "custodian_passphrase_file": place.passphrase,
    }
    with logging_shown(output), simulated_cameras() as cameras:
        configuration = read_configuration(None, settings)
        told = {camera.name: described(camera) for camera in cameras}
        ask(COUNCIL, configuration.control, {"cameras": told})
        code = run(
            configuration, output, seconds=seconds, greeting=lambda: _greet(configuration.control.origin, output)
        )
    _suggest(place, output)
    if code:
        raise typer.Exit(code)


def described(camera: CameraAssignment) -> dict[str, Any]:
    """Return a simulated camera as the council enters its device."""
    address = urlsplit(camera.streams[0].urls[0])
    return {
        "host": address.hostname,
        "port": address.port or RTSP_PORT,
        "username": camera.username or "",
        "password": "" if camera.password is None else camera.password.get_secret_value(),
        "streams": {stream.name: stream.urls[0] for stream in camera.streams},
    }


def _greet(origin: str, output: Output) -> None:
    """Say where to sign in, and as whom."""
    account = ACCOUNTS[0]
    text = Text(f"\nOpen {origin} and sign in\n", style="bold")
    text.append(f"  as {account.email} ({account.name}, CCTV manager)\n  with the password: {PASSWORD}\n", "not bold")
    others = ", ".join(each.email for each in ACCOUNTS[1:])
    text.append(f"  or, with fewer rights, as {others}\n", "not bold")
    output.line({"address": origin, "email": account.email, "password": PASSWORD}, text)


def make_keys(place: DemoPlace, output: Output) -> None:
    """Make the demo's key pair, unless an earlier demo did.

    Raises:
        UnavailableError: if the disk refuses.
    """
    if place.key.exists() and place.recipients.exists():
        output.note(f"continuing the demo in {place.folder}")
        return
    try:
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{place.folder} cannot be made: {error.strerror}; choose another place with --data"
        raise UnavailableError(msg) from error
    key_file = custody.create_key_file(place.key, SITE, PASSPHRASE).key_file
    write_new(place.passphrase, f"{PASSPHRASE}\n".encode(), 0o600)
    write_recipients(place.recipients, Recipients(key_file.site_id, key_file.site, (key_file.recipient,)))
    output.note(f"made a key for the demo in {place.key}; its passphrase is: {PASSPHRASE}")


def _ports() -> tuple[int, int]:
    """Return two ports of loopback that nobody listens at."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(2)]
        try:
            for offset, probe in enumerate(probes):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", PORT + offset))
        except OSError:
            probes = [held.enter_context(socket.socket()) for _ in range(2)]
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
        first, second = (int(probe.getsockname()[1]) for probe in probes)
    return first, second


def _suggest(place: DemoPlace, output: Output) -> None:
    """Say what to try next, in commands that can be copied."""
    if output.as_json:
        return
    footage, key, overt = shlex.quote(str(place.footage)), shlex.quote(str(place.key)), _ourselves()
    now_ns = SystemClock().utc_ns()
    start, end = (f"{datetime_of(now_ns - before):%Y-%m-%dT%H:%M:%SZ}" for before in (2 * CLIP_NS, CLIP_NS))
    passphrase = f"OVERT_PASSPHRASE={shlex.quote(PASSPHRASE)}"
    commands = [f"{overt} spans {footage}", f"{overt} reconcile {footage}"]
    commands.append(
        f"{passphrase} {overt} export {footage} --camera high-street "
        f"--from {start} --to {end} --key {key} --purpose 'Trying it out' --out clip.mp4"
    )
    output.console.print(Text("\nTry next:", style="bold"))
    for command in commands:
        output.console.print(Text(f"  {command}"), soft_wrap=True)


def _ourselves() -> str:
    """Return how this program is called from here: by its name where the shell would find it, else by its path."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    if found is not None and Path(found).resolve() == program.resolve():
        return program.name
    try:
        return shlex.quote(str(program.resolve().relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(str(program))
