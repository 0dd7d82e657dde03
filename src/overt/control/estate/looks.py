"""A look at a device: what was asked and what was found, kept until somebody has chosen the streams to use."""

from __future__ import annotations

import dataclasses
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from overt.control.estate import changes, pending
from overt.control.estate.equipment import DeviceInput, StreamInput, whole
from overt.control.estate.models import Camera, Installation
from overt.control.estate.probing import ProbeResult, probe
from overt.control.people.models import Person
from overt.errors import InvalidError


class Look(BaseModel):
    """What is kept of a look; `model_dump_json` holds the password and is only ever stored encrypted."""

    model_config = ConfigDict(frozen=True)

    version: int
    """The camera's, when somebody began."""
    replace: bool
    new_password: bool
    password: str = Field(repr=False)
    device: DeviceInput
    urls: tuple[str, ...]
    """Addresses that were typed, so that the same can be asked again."""
    found: ProbeResult

    @classmethod
    def at(
        cls, device: DeviceInput, present: Installation | None, camera: Camera, version: int, *, replace: bool
    ) -> Self:
        """Have the recorder look at a device; raises as `probing.probe`."""
        seen, found = probe(device, present, camera.key)
        typed = whole(present, device.streams)
        secret = seen.password.get_secret_value() if seen.password else ""
        return cls(
            version=version,
            replace=replace,
            new_password=device.password is not None,
            password=secret,
            device=dataclasses.replace(seen, password=None, streams=()),
            urls=tuple(each.url for each in typed),
            found=found,
        )

    def asked(self, streams: tuple[StreamInput, ...]) -> DeviceInput:
        """Return the device with streams, and with the password it was asked with."""
        return dataclasses.replace(self.device, password=SecretStr(self.password), streams=streams)


def begin(
    device: DeviceInput, camera: Camera, present: Installation | None, version: int, by: Person, *, replace: bool
) -> UUID:
    """Look at a device, and keep what was found; raises as `probing.probe`."""
    look = Look.at(device, present, camera, version, replace=replace)
    return pending.keep(pending.LOOK, by, look.model_dump_json(), camera)


def read(look: UUID, camera: Camera, by: Person) -> Look:
    """Return a look that somebody has taken.

    Raises:
        MissingError: it is gone, or another's, or of another camera.
    """
    return Look.model_validate_json(pending.kept(pending.LOOK, by, look, camera))


def again(look: UUID, camera: Camera, by: Person) -> UUID:
    """Look at the same device once more, after something was changed on it; raises as `begin`."""
    former = read(look, camera, by)
    typed = tuple(StreamInput(kind, url) for kind, url in zip(("main", "sub"), former.urls, strict=False))
    fresh = Look.at(former.asked(typed), None, camera, camera.version, replace=former.replace)
    pending.forget(look)
    kept = fresh.model_copy(update={"new_password": former.new_password})
    return pending.keep(pending.LOOK, by, kept.model_dump_json(), camera)


def use(look: UUID, camera: Camera, version: int, main: int, sub: int | None, by: Person) -> Camera:
    """Put the device behind its camera, with the streams at these places.

    Raises:
        InvalidError: there is no such stream, or it gave no picture.
        OvertError: as `changes.put_device`.
    """
    kept = read(look, camera, by)
    streams = kept.found.streams
    if not all(0 <= each < len(streams) and streams[each].works for each in (main, *(() if sub is None else (sub,)))):
        msg = "Choose among the streams that gave a picture."
        raise InvalidError(msg)
    if main == sub:
        msg = "Choose another stream as substream, or none: it is the main stream already."
        raise InvalidError(msg)
    device = kept.asked(kept.found.chosen(main, sub))
    saved = changes.put_device(camera.pk, version, device, by, replace=kept.replace, new_password=kept.new_password)
    pending.forget(look)
    return saved
