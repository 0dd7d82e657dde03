"""`overt view`: a link to the recorder's page for one person, in force while the command runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from overt.cli import opened
from overt.cli.export import open_keys
from overt.cli.grant_keys import public_text, read_grant_key
from overt.cli.moments import moment, shown, time_zone
from overt.cli.opened import PurposeOption, ReferenceOption, What, Why, write_down
from overt.cli.options import JsonOption, PassphraseFilesOption, RecoveryOption, TimeZoneOption
from overt.cli.output import Output
from overt.cli.record import guard_process, logging_shown, signals
from overt.cli.viewing_link import GrantRefusedError, Sight, ViewingLink
from overt.clock import SECOND, SystemClock
from overt.contract.instant import to_iso
from overt.contract.opened import VIEWED
from overt.contract.socket_client import MediaControl, SocketClient
from overt.errors import ForbiddenError, InvalidError, MissingError, UnavailableError
from overt.footage.marker import read_marker
from overt.footage.opening import StoredPeriods
from overt.footage.reading import FootageReader
from overt.recorder.media_plane.process import CONTROL_SOCKET

DEFAULT_MINUTES: Final = 60.0
RECORDER_SOCKET: Final = "recorder.sock"
RING_NS: Final = 600 * SECOND
"""Instant replay from the first second: the live right reaches back as far as any ring does by default."""
LOOK_S: Final = 1.0


def view(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Footage directory of the running recorder.")],
    *,
    grant_key: Annotated[
        Path, typer.Option(metavar="FILE", help="Key that signs grants; the recorder knows its public half.")
    ],
    purpose: PurposeOption,
    reference: ReferenceOption = "",
    camera: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A camera; may be given many times. (all if not given)")
    ] = None,
    person: Annotated[str, typer.Option(help="Who the link is for.")] = "",
    key: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Key file of the custodian, to look back; with four eyes, give both."),
    ] = None,
    passphrase_file: PassphraseFilesOption = None,
    recovery: RecoveryOption = False,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="T", help="With --key: recorded footage from this moment on. (-24h if not given)"
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="T", help="With --key: up to this moment. (as it is recorded if not given)"),
    ] = None,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Live pictures, and the last ten minutes.")] = True,
    minutes: Annotated[
        float, typer.Option(min=1, max=24 * 60, help="The link and all that it opened end after so many minutes.")
    ] = DEFAULT_MINUTES,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address by which the page is reached, if that is not the recorder's own."),
    ] = None,
    socket: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The recorder's Unix socket, if its configuration moved it.")
    ] = None,
    timezone: TimeZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a link to the recorder's page, and keep what it opens in force until Ctrl-C.

    That it is opened, by whom and why, is written into the ledger DIR/opened/ledger first.
    """
    output = Output(as_json=as_json)
    if not key and (start is not None or end is not None):
        msg = "--from and --to are for recorded footage, which only the site's key opens: give --key FILE"
        raise InvalidError(msg)
    if not key and (passphrase_file or recovery):
        msg = "--passphrase-file and --recovery open the site's key: give --key FILE too"
        raise InvalidError(msg)
    if not key and not live:
        msg = "the link would show nothing: leave out --no-live, or give --key FILE"
        raise InvalidError(msg)
    why = Why.read(purpose, reference)
    guard_process()
    clock, zone = SystemClock(), time_zone(timezone)
    now_ns = clock.utc_ns()
    from_ns = moment(start or "-24h", now_ns, zone) if key else None
    to_ns = moment(end, now_ns, zone) if end is not None else None
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        msg = f"--to ({shown(to_ns, zone)}) must be later than --from ({shown(from_ns, zone)})"
        raise InvalidError(msg)
    site = read_marker(directory).site
    signer = read_grant_key(grant_key)
    health = SocketClient(socket or directory / RECORDER_SOCKET).get("/health")
    sight = Sight(
        person=person or "whoever was given the link",
        cameras=_cameras(health, directory, camera),
        live=live,
        live_from_ns=now_ns - RING_NS,
        until_ns=now_ns + int(minutes * 60 * SECOND),
        recorded_from_ns=from_ns,
        recorded_to_ns=to_ns,
    )
    base = url or page_address(health)
    opening = StoredPeriods(directory, open_keys(key, passphrase_file or [], recovery=recovery)) if key else None
    what = What(sight.cameras, from_ns, to_ns, sight.person, live)
    written = write_down(directory, site, VIEWED, what, why)
    ended = threading.Event()
    link = ViewingLink(MediaControl(directory / CONTROL_SOCKET), signer, site, sight, opening, clock)
    try:
        with logging_shown(output), signals(ended, ended.set), link:
            _show(output, link.url(base), sight, zone)
            while not link.over and not ended.wait(LOOK_S):
                pass
    except GrantRefusedError as error:
        msg = f"{error}; is {public_text(signer)}, the public half of {grant_key}, among its 'grant_keys'?"
        raise ForbiddenError(msg) from error
    finally:
        opened.ended(directory, site, written)
    if link.revoked:
        output.note("the link and what it opened have ended")


def page_address(health: dict[str, Any]) -> str:
    """Return the address of the recorder's own page from its health.

    Raises:
        InvalidError: it listens at all addresses, so that it has none of its own.
        UnavailableError: it serves none.
    """
    listening = health["media"]["listening"]
    if not listening:
        msg = "this recorder serves no viewers: name the public key of --grant-key in 'grant_keys' in its configuration"
        raise UnavailableError(msg)
    if listening.startswith(("0.0.0.0:", "[::]:")):
        msg = f"this recorder listens at {listening}: say with --url by which address the page is reached"
        raise InvalidError(msg)
    return f"{'https' if health['media']['encrypted'] else 'http'}://{listening}"


def _cameras(health: dict[str, Any], directory: Path, wanted: list[str] | None) -> tuple[str, ...]:
    """Return the cameras of the link: those that were named, else all that are recorded now.

    Raises:
        MissingError: there is none, or one that was named is neither recorded now nor has footage.
    """
    recorded = list(dict.fromkeys(stream["camera"] for stream in health["streams"]))
    if not wanted:
        if not recorded:
            msg = "the recorder has no camera: name with --camera those that it had"
            raise MissingError(msg)
        return tuple(recorded)
    with FootageReader(directory) as reader:
        known = {*recorded, *(key.camera for key in reader.streams())}
    for name in wanted:
        if name not in known:
            msg = f"there is no camera {name!r} here; there are {', '.join(sorted(known)) or 'none'}"
            raise MissingError(msg)
    return tuple(dict.fromkeys(wanted))


def _show(output: Output, link: str, sight: Sight, zone: ZoneInfo | None) -> None:
    until = sight.until_ns or 0
    told = {"link": link, "cameras": sight.cameras, "person": sight.person, "until": to_iso(until)}
    text = Text(f"{link}\n", style="bold")
    text.append("\nOpens once, in one browser, for ", "not bold")
    text.append(", ".join(sight.cameras), "not bold")
    text.append(f", until {shown(until, zone)[:19]}, or until Ctrl-C here.", "not bold")
    output.line(told, text)
