"""`overt demo`: four simulated cameras on real sockets, recorded and sealed, without any preparation."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.text import Text

from overt.cli.demo_cameras import simulated_cameras
from overt.cli.grant_keys import public_text
from overt.cli.options import JsonOption
from overt.cli.output import Output
from overt.cli.record import guard_process, logging_shown, run, supervised
from overt.cli.viewing_link import Sight, ViewingLink
from overt.clock import SystemClock
from overt.contract.instant import SECOND, datetime_of
from overt.contract.socket_client import MediaControl
from overt.errors import UnavailableError
from overt.footage.opening import StoredPeriods
from overt.recorder.configuration import ConfigurationSource
from overt.recorder.health import RecorderHealth
from overt.recorder.media_plane.process import CONTROL_SOCKET
from overt.recorder.program import RecorderProgram
from overt.sealing import custody
from overt.sealing.recipients_file import write_recipients
from overt.sealing.roles import Recipients

DEFAULT_FOLDER: Final = Path("demo-footage")
PASSPHRASE: Final = "four cameras on the high street"  # noqa: S105
"""Known to everybody: it protects footage of cameras that are not there."""
SITE: Final = "Overt demonstration"
UNATTENDED_S: Final = 30.0
"""How long the demo runs where nobody can press Ctrl-C."""
CLIP_NS: Final = 10 * SECOND
DAY_NS: Final = 86_400 * SECOND


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
    def recipients(self) -> Path:
        """The public keys, which are all that the recorder gets."""
        return self.folder / "recipients.json"


def demo(
    *,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="Stop after so many seconds. (until Ctrl-C if not given; 30 without a terminal)"),
    ] = None,
    footage: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory for the demo's footage and key; continued if it exists.")
    ] = DEFAULT_FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Record four simulated cameras, sealed, show what happens, and print a link to watch and look back."""
    guard_process()
    output = Output(as_json=as_json)
    place = DemoPlace(footage)
    if seconds is None and not output.console.is_terminal:
        seconds = UNATTENDED_S
    make_keys(place, output)
    grant_key = Ed25519PrivateKey.generate()
    with logging_shown(output), simulated_cameras() as cameras:
        source = ConfigurationSource(
            overrides=(
                ("footage", place.footage),
                ("recipients", place.recipients),
                ("listen", "127.0.0.1:0"),
                ("media_listen", "127.0.0.1:0"),
                ("grant_keys", (public_text(grant_key),)),
            ),
            cameras=cameras,
        )
        configuration = source.load()

        @contextmanager
        def watched(program: RecorderProgram) -> Iterator[None]:
            names = tuple(camera.name for camera in configuration.assignment.cameras)
            with viewing_link(place, grant_key, names) as link:
                url = link.url(f"http://{program.media_listening}")
                output.line({"link": url}, Text(f"\nWatch and look back: {url}\n", style="bold"))
                yield

        health = run(source, configuration, output, seconds, supervised, watched)
    _suggest(place, health, output)


def make_keys(place: DemoPlace, output: Output) -> None:
    """Make the demo's key pair, unless an earlier demo did.

    Raises:
        UnavailableError: if the disk refuses.
    """
    if place.key.exists() and place.recipients.exists():
        output.note(f"continuing the demo in {place.folder}; its passphrase is: {PASSPHRASE}")
        return
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{place.folder} cannot be made: {error.strerror}; choose another place with --footage"
        raise UnavailableError(msg) from error
    key_file = custody.create_key_file(place.key, SITE, PASSPHRASE).key_file
    write_recipients(place.recipients, Recipients(key_file.site_id, key_file.site, (key_file.recipient,)))
    output.note(f"made a key for the demo in {place.key}; its passphrase is: {PASSPHRASE}")


def viewing_link(place: DemoPlace, grant_key: Ed25519PrivateKey, cameras: tuple[str, ...]) -> ViewingLink:
    """Return a link to all that the demo records and has recorded."""
    key = custody.open_with_passphrase(custody.read_key_file(place.key), PASSPHRASE)
    clock = SystemClock()
    now_ns = clock.utc_ns()
    sight = Sight("Demonstration", cameras, live_from_ns=now_ns - DAY_NS, recorded_from_ns=now_ns - 31 * DAY_NS)
    opening = StoredPeriods(place.footage, [key])
    return ViewingLink(MediaControl(place.footage / CONTROL_SOCKET), grant_key, key.site_id, sight, opening, clock)


def _suggest(place: DemoPlace, health: RecorderHealth, output: Output) -> None:
    """Say what to try next, in commands that can be copied."""
    if output.as_json:
        return
    recorded = [stream for stream in health.streams if stream.recorded_through_ns]
    footage, key = shlex.quote(str(place.footage)), shlex.quote(str(place.key))
    overt = _ourselves()
    commands = [f"{overt} spans {footage}", f"{overt} reconcile {footage}"]
    if recorded:
        last = recorded[0]
        end_ns = last.recorded_through_ns
        start, end = (f"{datetime_of(ns):%Y-%m-%dT%H:%M:%SZ}" for ns in (end_ns - CLIP_NS, end_ns))
        commands.append(
            f"OVERT_PASSPHRASE={shlex.quote(PASSPHRASE)} {overt} export {footage} --camera {last.camera} "
            f"--from {start} --to {end} --key {key} --out clip.mp4"
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
