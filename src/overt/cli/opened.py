"""What commands on the recorder's machine write down before they open footage (`overt.contract.opened`)."""

from __future__ import annotations

import logging
import os
import pwd
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from overt.contract.instant import to_iso
from overt.contract.opened import ENDED, FOLDER, KEY, ledger_of
from overt.errors import InvalidError, MissingError, OvertError, UnavailableError
from overt.ledger.files import locked
from overt.ledger.keys import create_key, read_key
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.marker import MARKER

_LOG: Final = logging.getLogger(__name__)
MAX_PURPOSE: Final = 200
MAX_REFERENCE: Final = 64
_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")

PurposeOption = Annotated[
    str, typer.Option("--purpose", metavar="TEXT", help="Why it is opened; written down before it is.")
]
ReferenceOption = Annotated[
    str, typer.Option("--reference", metavar="TEXT", help="Number of the incident or request, written down too.")
]


@dataclass(frozen=True, slots=True)
class Why:
    """Why somebody opens footage, in words that can be written down."""

    purpose: str
    reference: str = ""

    @classmethod
    def read(cls, purpose: str, reference: str) -> Why:
        """Check what was typed.

        Raises:
            InvalidError: the purpose is empty, or a text is too long or no single line.
        """
        if not purpose.strip():
            msg = "--purpose must say why footage is opened: it is written down"
            raise InvalidError(msg)
        return cls(
            _line(purpose, "--purpose", MAX_PURPOSE),
            _line(reference, "--reference", MAX_REFERENCE) if reference else "",
        )


@dataclass(frozen=True, slots=True)
class What:
    """What is about to be opened."""

    cameras: Sequence[str]
    from_ns: int | None = None
    """Of recorded footage; None: none but what is live, and the last minutes."""
    to_ns: int | None = None
    """None, where `from_ns` is given: as it is recorded."""
    whom: str = ""
    """For whom a link is."""
    live: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a leaf's body: what is not said is left out."""
        told: dict[str, Any] = {"cameras": list(self.cameras)}
        if self.from_ns is not None:
            told["footage"] = {"from": to_iso(self.from_ns)}
            if self.to_ns is not None:
                told["footage"]["to"] = to_iso(self.to_ns)
        if self.whom:
            told["for"] = self.whom
        if self.live:
            told["live"] = True
        return told


@dataclass(frozen=True, slots=True)
class Written:
    """A leaf about what is opened."""

    origin: str
    """The ledger's name."""
    leaf: int

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a manifest."""
        return {"ledger": self.origin, "leaf": self.leaf}


def write_down(directory: Path, site: UUID, kind: str, what: What, why: Why) -> Written:
    """Write down that a command is about to open footage of `directory`, which is of `site`.

    When this returns, the disk has it. The files belong to whoever the directory belongs to, though root writes.

    Raises:
        UnavailableError: it cannot be written: nothing may be opened.
        OvertError: of other kinds, where the ledger there is not what it was: the same.
    """
    body = {"who": _who(), **what.to_json(), "purpose": {"name": why.purpose}}
    if why.reference:
        body["reference"] = why.reference
    try:
        return _append(directory, site, Entry(kind, body))
    except OvertError as error:
        words = f"nothing is opened, since that cannot be written down: {error}"
        raise type(error)(words) from error


def ended(directory: Path, site: UUID, began: Written) -> None:
    """Write down that the link of leaf `began` has ended; what cannot be written is logged, since nothing is open."""
    try:
        _append(directory, site, Entry(ENDED, {"who": _who(), "began": began.leaf}))
    except OvertError as error:
        _LOG.warning("that the link of leaf %d has ended cannot be written down: %s", began.leaf, error)


def _append(directory: Path, site: UUID, entry: Entry) -> Written:
    folder, place = directory / FOLDER, ledger_of(directory)
    with _as_owner(directory):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            msg = f"{folder}: {error.strerror}"
            raise UnavailableError(msg) from error
        with locked(folder):
            try:
                signer = read_key(folder / KEY)
            except MissingError:
                signer = create_key(folder / KEY, f"{site}/opened")
            made = Ledger(place, signer) if (place / MARKER).exists() else Ledger.create(place, signer)
            with made as ledger:
                leaf = ledger.append(entry)
    return Written(signer.name, leaf.index)


@contextmanager
def _as_owner(directory: Path) -> Iterator[None]:
    """Let root write as whoever a directory belongs to, so that they can write there later."""
    owner = directory.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _who() -> dict[str, str]:
    """Return as which user of this machine the command runs; whoever calls sudo is named by their environment alone."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"user {uid}"
    told = {"name": name, "via": "command"}
    sudo = os.environ.get("SUDO_USER", "")
    if uid == 0 and sudo and _LINE.fullmatch(sudo[:MAX_REFERENCE]):
        told["sudo"] = sudo[:MAX_REFERENCE]
    return told


def _line(text: str, option: str, most: int) -> str:
    plain = text.strip()
    if len(plain) > most or not _LINE.fullmatch(plain):
        msg = f"{option} takes at most {most} characters on one line"
        raise InvalidError(msg)
    return plain
