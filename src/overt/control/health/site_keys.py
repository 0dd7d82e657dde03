"""Whom footage should be sealed to, by the control room's own file and its custody policy; and whether it is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from overt.control.custody.handing_over import RECIPIENTS_FILE, recipients_wanted
from overt.control.health.plain_text import plain
from overt.control.health.report import SealingReport
from overt.errors import MissingError, OvertError
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients
from overt.sealing.wraps import Layer, WrappedKey

Layers = tuple[Layer, ...]
"""Of a wrap, the innermost first."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Whom footage should be sealed to."""

    recipients: Recipients | None
    """None: the site has no key yet, or the file cannot be read."""
    changed_at: dt.datetime
    """Since when; before, others may have been right."""
    problem: str = ""
    """Why the control room's own file is not to be believed; empty: it is."""

    @property
    def layers(self) -> Layers:
        """What a wrap should say."""
        return layers_of(self.recipients) if self.recipients is not None else ()


def expected(data: Path, now: dt.datetime) -> Expected:
    """Return whom footage should be sealed to, by the file in the control room's directory `data`.

    The file is held against the custody policy in force and the keys that it names. Raises the database's errors.
    """
    path = data / RECIPIENTS_FILE
    try:
        changed_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    except OSError:
        return Expected(None, now)
    try:
        recipients = read_recipients(path)
    except OvertError as error:
        return Expected(None, changed_at, plain(str(error)))
    try:
        wanted = recipients_wanted(data)
    except MissingError:
        return Expected(recipients, changed_at)  # The site's key lies elsewhere: there is nothing to hold it against.
    except OvertError as error:
        return Expected(recipients, changed_at, plain(str(error)))
    problem = ""
    if wanted.site_id != recipients.site_id:
        problem = f"{RECIPIENTS_FILE} is another site's than the site's key file"
    elif wanted.recipients != recipients.recipients:
        names, needs = keys_in_words(layers_of(recipients)), keys_in_words(layers_of(wanted))
        problem = f"{RECIPIENTS_FILE} names {names}; the custody policy in force needs {needs}"
    return Expected(recipients, changed_at, problem)


def layers_of(recipients: Recipients) -> Layers:
    """Return what a wrap to recipients says."""
    return tuple(Layer(each.role, each.key_id) for each in recipients.recipients)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Footage is sealed to others than it should be."""

    wanted: Layers
    used: tuple[Layers, ...]
    """What was found instead; of each kind once."""
    cameras: tuple[str, ...] = ()
    """Whose footage was found so, by short names; empty: only the recorder says so."""
    since: dt.datetime | None = None
    same_ids: bool = False
    """The key ids agree and the public keys do not."""

    @property
    def strangers(self) -> tuple[str, ...]:
        """The ids of keys that are not the site's."""
        known = {layer.key_id for layer in self.wanted}
        used = [layer.key_id for layers in self.used for layer in layers]
        return tuple(dict.fromkeys(each for each in used if self.same_ids or each not in known))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was found about whom footage is sealed to."""

    foreign: Foreign | None = None
    own_problem: str = ""
    """Why the control room's own file is not to be believed."""


def compared(wanted: Expected, said: SealingReport | None, wraps: Mapping[str, Iterable[Layers]]) -> Foreign | None:
    """Compare what the recorder says, and what was found in its wraps by camera, with what should be; None: it agrees.

    `said` is None where a recorder does not tell.
    """
    if wanted.recipients is None:
        return None
    right = wanted.layers
    used: dict[Layers, None] = {}
    since, same_ids = None, False
    if said is not None and said.roles:
        layers = tuple(Layer(each.role, each.key_id) for each in said.roles)
        keys = [each.public_key.hex() for each in wanted.recipients.recipients]
        if layers != right or [each.public_key for each in said.roles] != keys:
            used[layers] = None
            since, same_ids = said.since, layers == right
    cameras = []
    for camera, found in sorted(wraps.items()):
        wrong = [each for each in found if each != right]
        used |= dict.fromkeys(sorted(wrong))
        if wrong:
            cameras.append(camera)
    return Foreign(right, tuple(used), tuple(cameras), since, same_ids) if used else None


def keys_in_words(layers: Sequence[Layer]) -> str:
    """Return `key 0123456789abcdef (custodian) and key …`."""
    return " and ".join(f"key {plain(each.key_id, 16)} ({plain(each.role, 63)})" for each in layers) or "no key"


@dataclass(slots=True)
class Wraps:
    """What wraps say of each camera that was looked at."""

    by_camera: dict[str, frozenset[Layers]] = field(default_factory=dict)

    def saw(self, asked: Iterable[str], found: Iterable[WrappedKey]) -> None:
        """Take what was found of the cameras that were asked for; of those without any, nothing is known."""
        gathered: dict[str, set[Layers]] = {}
        for each in found:
            gathered.setdefault(each.key.camera, set()).add(each.layers)
        for camera in asked:
            if camera in gathered:
                self.by_camera[camera] = frozenset(gathered[camera])
            else:
                self.by_camera.pop(camera, None)

    def keep(self, cameras: Iterable[str]) -> None:
        """Forget cameras that are not recorded any more."""
        for gone in self.by_camera.keys() - set(cameras):
            del self.by_camera[gone]
