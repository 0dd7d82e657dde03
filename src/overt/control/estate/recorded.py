"""What is recorded, as the message to the recorder: from rows of the register to an `Assignment`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db.models import Prefetch
from pydantic import SecretStr, ValidationError

from overt.contract.assignment import MAX_CAMERAS, Assignment, CameraAssignment, problems
from overt.control.estate.addresses import Lookup, Network, checked_url, look_up
from overt.control.estate.credentials import revealed
from overt.control.estate.equipment import address_of
from overt.control.estate.models import RECORDER_NAME, Camera, Installation
from overt.errors import InvalidError, MissingError, OvertError


@dataclass(frozen=True, slots=True)
class Recorded:
    """A camera that is recorded, as far as its recorder is concerned."""

    key: str
    retention_days: int
    audio: bool
    username: str
    password: SecretStr = field(repr=False)
    streams: tuple[tuple[str, str, str], ...] = field(repr=False)
    """Of each stream its kind, its address and its transport."""


def camera_assignment(row: Recorded) -> CameraAssignment:
    """Return one camera's part of the message.

    Raises:
        InvalidError: the recorder would not take it.
    """
    secret = row.password.get_secret_value()
    try:
        return CameraAssignment.model_validate(
            {
                "name": row.key,
                "streams": [{"name": kind, "urls": [url], "transport": how} for kind, url, how in row.streams],
                "username": row.username or ("" if secret else None),
                "password": row.password if row.username or secret else None,
                "audio": row.audio,
                "retention": {"days": row.retention_days},
            }
        )
    except ValidationError as error:
        raise InvalidError("; ".join(problems(error, CameraAssignment))) from None


def assignment_of(
    revision: int, rows: Iterable[Recorded], check: Callable[[str], str | None]
) -> tuple[Assignment, dict[str, str]]:
    """Return the message, and the cameras that cannot be in it, with the reason.

    `check` says of an address why the recorder may not be sent there; None: it may. One camera's fault never keeps
    another from being recorded.
    """
    cameras: list[CameraAssignment] = []
    left_out: dict[str, str] = {}
    for row in rows:
        why = next((words for _, url, _ in row.streams if (words := check(url)) is not None), None)
        if why is None and len(cameras) == MAX_CAMERAS:
            why = f"one recorder records no more than {MAX_CAMERAS} cameras"
        if why is None:
            try:
                cameras.append(camera_assignment(row))
            except InvalidError as error:
                why = str(error)
        if why is not None:
            left_out[row.key] = why
    return Assignment(revision=revision, cameras=tuple(cameras)), left_out


def checker(ranges: tuple[Network, ...], resolve: Lookup = look_up) -> Callable[[str], str | None]:
    """Return the check of addresses at a moment; each name is looked up once.

    A name that nobody knows just now is let pass: a DNS that is away must end no recording.
    """
    known: dict[str, tuple[str, ...]] = {}

    def once(name: str) -> tuple[str, ...]:
        if name not in known:
            known[name] = tuple(resolve(name))
        return known[name]

    def check(url: str) -> str | None:
        try:
            checked_url(url, ranges, once)
        except InvalidError as error:
            return str(error)
        except MissingError:
            return None
        return None

    return check


def recorded_by(recorder: str = RECORDER_NAME) -> tuple[list[Recorded], dict[str, str]]:
    """Read from the register what a recorder is to record; beside it, cameras whose rows cannot be read, and why."""
    present = Installation.objects.filter(until=None).select_related("device").prefetch_related("streams")
    cameras = (
        Camera.objects.filter(state=Camera.State.RECORDING, recorder=recorder)
        .prefetch_related(Prefetch("installations", queryset=present, to_attr="present"))
        .order_by("key")
    )
    rows, left_out = [], {}
    for camera in cameras:
        hangs: list[Installation] = camera.present
        if not hangs:
            left_out[camera.key] = "no device hangs there"
            continue
        device = hangs[0].device
        try:
            password = revealed(device.password_sealed)
            streams = tuple((each.kind, address_of(each), each.transport) for each in hangs[0].streams.all())
        except OvertError as error:
            left_out[camera.key] = str(error)
            continue
        rows.append(Recorded(camera.key, camera.retention_days, camera.audio, device.username, password, streams))
    return rows, left_out
