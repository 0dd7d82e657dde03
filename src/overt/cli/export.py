"""`overt export`: a span of one camera as MP4, byte for byte what the camera sent, with a manifest beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from overt.cli.clip import Exported, Request, export_clip
from overt.cli.moments import moment, shown, time_zone
from overt.cli.opened import PurposeOption, ReferenceOption, What, Why, write_down
from overt.cli.options import JsonOption, PassphraseFilesOption, RecoveryOption, TimeZoneOption
from overt.cli.output import Output, duration, plain, size
from overt.cli.passphrase import VARIABLE, read_passphrase
from overt.cli.record import guard_process
from overt.clock import SECOND, SystemClock
from overt.contract.instant import from_iso
from overt.contract.opened import EXPORTED
from overt.errors import CorruptError, InvalidError, MissingError
from overt.footage.marker import read_marker
from overt.footage.opening import StoredPeriods
from overt.footage.reading import FootageReader
from overt.ids import MAIN, StreamKey
from overt.sealing import custody
from overt.sealing.roles import RoleKey

RECOVERY_VARIABLE: Final = "OVERT_RECOVERY_CODE"


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Footage directory.")],
    *,
    camera: Annotated[str, typer.Option(metavar="NAME", help="Camera.")],
    start: Annotated[
        str, typer.Option("--from", metavar="T", help="From this moment on: ISO 8601 with offset or 'Z', 'now', '-5m'.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="T", help="Up to this moment.")],
    out: Annotated[Path, typer.Option(metavar="FILE.mp4", help="Clip to write; never overwritten.")],
    key: Annotated[
        list[Path], typer.Option(metavar="FILE", help="Key file of the custodian; with four eyes, give both.")
    ],
    purpose: PurposeOption,
    reference: ReferenceOption = "",
    stream: Annotated[str, typer.Option(metavar="NAME", help="Stream: main or sub.")] = MAIN,
    passphrase_file: PassphraseFilesOption = None,
    recovery: RecoveryOption = False,
    timezone: TimeZoneOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a span of footage as MP4 with a manifest; exit code 7 if part of it could not be opened.

    That it is opened, by whom and why, is written into the ledger DIR/opened/ledger first.
    """
    guard_process()
    output = Output(as_json=as_json)
    zone, now_ns = time_zone(timezone), SystemClock().utc_ns()
    start_ns, end_ns = moment(start, now_ns, zone), moment(end, now_ns, zone)
    if end_ns <= start_ns:
        msg = f"--to ({shown(end_ns, zone)}) must be later than --from ({shown(start_ns, zone)})"
        raise InvalidError(msg)
    if out.suffix.lower() != ".mp4":
        msg = f"--out {out} must end in .mp4"
        raise InvalidError(msg)
    request = Request(StreamKey(camera, stream), start_ns, end_ns, out, now_ns)
    why = Why.read(purpose, reference)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    hidden = as_json or not output.notes.is_terminal
    with FootageReader(directory) as reader:
        known = reader.streams()
        if request.key not in known:
            msg = f"{request.key} was never recorded in {directory}; there are {', '.join(map(str, known)) or 'none'}"
            raise MissingError(msg)
        keys = open_keys(key, passphrase_file or [], recovery=recovery)
        what = What((camera,), start_ns, end_ns)
        request = replace(
            request, written=write_down(directory, read_marker(directory).site, EXPORTED, what, why), why=why
        )
        with Progress(*columns, console=output.notes, transient=True, disable=hidden) as progress:
            task = progress.add_task(f"exporting {request.key}", total=1.0)
            opened = StoredPeriods(directory, keys)
            exported = export_clip(reader, request, opened, lambda share: progress.update(task, completed=share))
    output.show(exported.to_dict(), _shown(exported, out))
    if exported.damage_count:
        raise typer.Exit(CorruptError.exit_code)


def open_keys(files: list[Path], secrets: list[Path], *, recovery: bool) -> list[RoleKey]:
    """Return the private keys of key files, opened by passphrases (or recovery codes), one file of secrets a key.

    Raises:
        OvertError: as `overt.sealing.custody` refuses them.
    """
    if len(secrets) > len(files):
        msg = f"{len(secrets)} files of passphrases were given for {len(files)} keys: give at most one a key"
        raise InvalidError(msg)
    keys = []
    for number, path in enumerate(files):
        key_file = custody.read_key_file(path)
        secret = secrets[number] if number < len(secrets) else None
        if recovery:
            code = read_passphrase(secret, f"Recovery code of {key_file.role}", variable=RECOVERY_VARIABLE)
            keys.append(custody.open_with_recovery_code(key_file, code))
        else:
            passphrase = read_passphrase(secret, f"Passphrase of {key_file.role}", variable=VARIABLE)
            keys.append(custody.open_with_passphrase(key_file, passphrase))
    return keys


def _shown(exported: Exported, out: Path) -> Text:
    """Return the result for people."""
    length = (exported.end_ns - exported.start_ns) / SECOND
    text = Text()
    for file in exported.files:
        text.append(
            f"{out.with_name(file['name'])}  {size(file['bytes'])}, {file['frames']} frames, from {file['from']}\n"
        )
    text.append(f"{exported.manifest}  {exported.fragments} fragments with their hashes\n")
    text.append(f"{duration(length)} from {shown(exported.start_ns)} to {shown(exported.end_ns)}")
    for gap in exported.gaps:
        seconds = (from_iso(gap["to"]) - from_iso(gap["from"])) / SECOND
        text.append(f"\ngap of {duration(seconds)} from {gap['from']}: {gap['cause']} {plain(gap['detail'])}", "yellow")
    for damage in exported.damage[:20]:
        text.append(f"\nnot given back: {damage['from']} to {damage['to']}: {plain(damage['detail'])}", "bold red")
    return text
