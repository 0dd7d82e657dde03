"""The device behind a camera and its streams: hung up, changed, replaced, taken down. The camera's history stays."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone
from pydantic import SecretStr

from overt.contract.assignment import MASK, shown_url
from overt.control.acts.kinds import Kind
from overt.control.estate import revisions
from overt.control.estate.addresses import Lookup, Network, checked_host, checked_url, host_of, look_up
from overt.control.estate.credentials import revealed, sealed
from overt.control.estate.history import DEVICE_ADDRESS, ChangedMeanwhileError, Difference, note, since
from overt.control.estate.models import Camera, Device, Installation, Stream
from overt.control.people.models import Person
from overt.errors import ConflictError, InvalidError, OvertError

RTSP_PORT: Final = 554
RTSPS_PORT: Final = 322


class FieldError(InvalidError):
    """Something about a device is wrong; `field` names what."""

    def __init__(self, field: str, message: str) -> None:
        """Say what is wrong with `field`."""
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class StreamInput:
    """A stream that is to be used; facts as a probe found them, where it did."""

    kind: str
    url: str = field(repr=False)
    codec: str = ""
    width: int | None = None
    height: int | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceInput:
    """A device as somebody describes it."""

    host: str
    port: int = RTSP_PORT
    username: str = ""
    password: SecretStr | None = field(default=None, repr=False)
    """None: the one that is kept already."""
    onvif_port: int | None = None
    maker: str = ""
    model: str = ""
    firmware: str = ""
    serial_number: str = ""
    streams: tuple[StreamInput, ...] = ()


Target = tuple[str, int]
"""Host and port to which a password is sent."""


def target_of(url: str) -> Target:
    """Return where a stream's address leads."""
    parts = urlsplit(url)
    return (parts.hostname or "", parts.port or (RTSPS_PORT if parts.scheme.lower() == "rtsps" else RTSP_PORT))


def targets_of(host: str, port: int, urls: tuple[str, ...]) -> frozenset[Target]:
    """Return where the password of a device with these streams is sent."""
    return frozenset({(host.lower(), port), *map(target_of, urls)})


def checked(device: DeviceInput, ranges: tuple[Network, ...], resolve: Lookup = look_up) -> DeviceInput:
    """Return a device whose addresses are as they are kept and may be spoken to.

    Raises:
        FieldError: naming the field that is wrong.
    """
    try:
        host = checked_host(device.host, ranges, resolve)
    except OvertError as error:
        raise FieldError("host", str(error)) from error
    streams = []
    for each in device.streams:
        name = f"{each.kind}_url"
        try:
            url = checked_url(each.url, ranges, resolve)
        except OvertError as error:
            raise FieldError(name, str(error)) from error
        if host_of(url) != host:
            # Else whoever may type an address, or a device that answers one, has the password sent elsewhere.
            msg = f"leads to {host_of(url)}; the streams of a device are at its own address, {host}"
            raise FieldError(name, msg)
        streams.append(StreamInput(each.kind, url, each.codec, each.width, each.height, each.fps))
    kinds = [each.kind for each in streams]
    if streams and Stream.Kind.MAIN not in kinds:
        raise FieldError("main_url", "is missing: a device with a substream has a main stream too")
    if len({each.url for each in streams}) < len(streams):
        raise FieldError("sub_url", "is that of the main stream: leave it empty if the device has no other")
    return DeviceInput(
        host,
        device.port,
        device.username.strip(),
        device.password,
        device.onvif_port,
        device.maker,
        device.model,
        device.firmware,
        device.serial_number,
        tuple(streams),
    )


def password_for(present: Installation | None, device: DeviceInput) -> SecretStr:
    """Return the password to use: the one given, or the one kept, if that goes nowhere but where it went before.

    Raises:
        FieldError: it would be sent to another address, or belongs to nobody.
        CorruptError: it cannot be opened.
    """
    found = _password_for(present, device)
    if found.get_secret_value() and not device.username:
        raise FieldError("username", "is missing: a password belongs to a user")
    return found


def _password_for(present: Installation | None, device: DeviceInput) -> SecretStr:
    if device.password is not None:
        return device.password
    if present is None or not present.device.password_sealed:
        return SecretStr("")
    known = targets_of(present.device.host, present.device.port, tuple(present.streams.values_list("url", flat=True)))
    wanted = targets_of(device.host, device.port, tuple(each.url for each in device.streams))
    if not wanted <= known:
        msg = "Give the password again: it would go to another address than the one it was given for."
        raise FieldError("password", msg)
    return revealed(present.device.password_sealed)


def address_of(stream: Stream) -> str:
    """Return a stream's address whole, for the message to the recorder alone.

    Raises:
        CorruptError: it cannot be opened.
    """
    return revealed(stream.url_sealed).get_secret_value() or stream.url


def whole(present: Installation | None, streams: tuple[StreamInput, ...]) -> tuple[StreamInput, ...]:
    """Return streams with their addresses whole: one that comes back as it was shown is the one that is kept.

    Raises:
        FieldError: an address is masked, and none is kept that looks like it.
    """
    if not any(MASK in each.url for each in streams):
        return streams
    kept = {each.url: address_of(each) for each in present.streams.all()} if present is not None else {}
    for each in streams:
        if MASK in each.url and each.url not in kept:
            msg = f"has a part that is kept secret ({MASK}): type the whole address"
            raise FieldError(f"{each.kind}_url", msg)
    return tuple(dataclasses.replace(each, url=kept.get(each.url, each.url)) for each in streams)


def set_device(
    camera: Camera,
    version: int,
    device: DeviceInput,
    by: Person | None,
    *,
    replace: bool = False,
    new_password: bool | None = None,
) -> Installation:
    """Put a device (`checked`) behind a camera that `changes.locked` holds, or change the one that is there.

    With `replace` another device hangs there from now on; the former installation ends now.

    Raises:
        ChangedMeanwhileError: somebody changed the camera since `version`.
        ConflictError: the camera is retired, or it is recorded and the device has no stream.
        FieldError: the password that is kept would go elsewhere.
    """
    if camera.version != version:
        raise ChangedMeanwhileError(camera, since(camera, version))
    if camera.state == Camera.State.RETIRED:
        msg = f"{camera.name} is retired: no device hangs there."
        raise ConflictError(msg)
    if camera.state == Camera.State.RECORDING and not device.streams:
        raise FieldError("main_url", "is missing: the camera is recorded, and needs a stream")
    present = camera.installed
    with transaction.atomic():
        password = password_for(None if replace else present, device)
        streams = whole(None if replace else present, device.streams)
        was = f"{present.device.host}:{present.device.port}" if present else ""
        now = f"{device.host}:{device.port}"
        moved = [Difference(DEVICE_ADDRESS, was, now, was or "nothing", now)] if was != now else []
        if replace or present is None:
            take_down(camera)
            row = Device()
            did = "Another device was put up" if present else "A device was put up"
        else:
            row, did = present.device, "The device was changed"
        row.host, row.port, row.onvif_port, row.username = device.host, device.port, device.onvif_port, device.username
        row.password_sealed = sealed(password.get_secret_value())
        for name in ("maker", "model", "firmware", "serial_number"):
            if getattr(device, name) or replace:
                setattr(row, name, getattr(device, name))
        row.full_clean()
        row.save()
        if replace or present is None:
            present = Installation.objects.create(camera=camera, device=row)
        present.streams.all().delete()
        Stream.objects.bulk_create(
            Stream(
                installation=present,
                kind=each.kind,
                url=shown_url(each.url),
                url_sealed=sealed(each.url) if shown_url(each.url) != each.url else "",
                codec=each.codec,
                width=each.width,
                height=each.height,
                fps=each.fps,
            )
            for each in streams
        )
        told = device.password is not None if new_password is None else new_password
        words = ", with a password" if told and password.get_secret_value() else ""
        note(camera, by, f"{did}{words}", moved, Kind.DEVICE_CHANGED)
        if camera.state == Camera.State.RECORDING:
            revisions.changed(camera.recorder)
    return present


def take_down(camera: Camera) -> None:
    """End the installation of the device that hangs there now, if any."""
    camera.installations.filter(until=None).update(until=timezone.now())


def described(present: Installation) -> DeviceInput:
    """Return a device as it is kept, without its password, with the secrets in addresses masked."""
    device = present.device
    streams = tuple(
        StreamInput(each.kind, each.url, each.codec, each.width, each.height, each.fps)
        for each in present.streams.all()
    )
    return DeviceInput(
        device.host,
        device.port,
        device.username,
        None,
        device.onvif_port,
        device.maker,
        device.model,
        device.firmware,
        device.serial_number,
        streams,
    )
