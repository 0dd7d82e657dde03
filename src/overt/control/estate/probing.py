"""Looking at a device before it is used: the recorder asks it (`POST /probes`), since it alone speaks to cameras.

What comes back was written by the device and is believed in nothing: words are cut and cleaned, addresses are checked
like those that somebody types, before anything is saved.
"""

from __future__ import annotations

import base64
import binascii
import math
import unicodedata
from typing import Annotated, Any, Final, Self

from django.conf import settings
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from overt.contract.assignment import MASK
from overt.contract.socket_client import PROBE_TIMEOUT_S, SocketClient
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.estate.addresses import checked_url, host_of
from overt.control.estate.credentials import bare
from overt.control.estate.equipment import DeviceInput, StreamInput, checked, password_for, whole
from overt.control.estate.models import Installation, Stream
from overt.errors import OvertError, UnavailableError

MAX_WORDS: Final = 120
MAX_SENTENCE: Final = 500
MAX_STREAMS: Final = 12
MAX_PICTURE: Final = 4 * 1024 * 1024


def _cleaned(value: object, most: int) -> object:
    """Return a device's words without what controls a terminal or turns text about; anything else as it is."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return value
    plain = "".join(each if unicodedata.category(each)[0] != "C" else " " for each in value[: 4 * most])
    return " ".join(plain.split())[:most]


def _finite(value: object) -> object:
    """Return a number that is one; None for what is not."""
    return value if isinstance(value, int | float) and math.isfinite(value) and abs(value) < 1e12 else None


def _masked(sentence: str, secret: str) -> str:
    return sentence.replace(secret, MASK) if secret else sentence


Words = Annotated[str, BeforeValidator(lambda value: _cleaned(value, MAX_WORDS))]
Sentence = Annotated[str, BeforeValidator(lambda value: _cleaned(value, MAX_SENTENCE))]
Number = Annotated[float | None, BeforeValidator(_finite)]
_LOOSE: Final = ConfigDict(extra="ignore", hide_input_in_errors=True)


class FoundProfile(BaseModel):
    """A stream as ONVIF describes it."""

    model_config = _LOOSE

    name: Words = ""
    url: Annotated[str, Field(max_length=2048)] = ""
    width: Number = None
    height: Number = None
    codec: Words = ""
    fps: Number = None
    gop: Number = None
    """Frames from one keyframe to the next."""


class FoundDevice(BaseModel):
    """What a device says of itself over ONVIF."""

    model_config = _LOOSE

    maker: Words = ""
    model: Words = ""
    firmware: Words = ""
    serial_number: Words = ""
    profiles: list[FoundProfile] = []
    clock_offset_s: Number = None


class FoundStream(BaseModel):
    """A stream that was asked for, and what came."""

    model_config = _LOOSE

    url: Annotated[str, Field(max_length=2048, repr=False)]
    codec: Words = ""
    codecs: Words = ""
    width: Number = None
    height: Number = None
    fps: Number = None
    gop_s: Number = None
    gop_is_least: bool = False
    """No second keyframe came in the time: they are at least so far apart."""
    bitrate_bps: Number = None
    audio: Words = ""
    clock_offset_s: Number = None
    picture: Annotated[str, Field(max_length=MAX_PICTURE)] | None = Field(default=None, repr=False)
    """fMP4 of one keyframe, base64."""
    error: Sentence = ""

    @property
    def codec_words(self) -> str:
        """The codec as people write it."""
        return {"h264": "H.264", "h265": "H.265", "mjpeg": "Motion JPEG"}.get(self.family, self.codec)

    @property
    def works(self) -> bool:
        """Whether pictures came."""
        return not self.error and bool(self.codec)

    @property
    def pixels(self) -> float:
        """How large the picture is; 0: not known."""
        return (self.width or 0) * (self.height or 0)

    @property
    def family(self) -> str:
        """The codec as it is compared: h264, h265, mjpeg, or what it calls itself."""
        plain = self.codec.lower().replace(".", "").replace(" ", "").replace("-", "")
        known = {"h264": "h264", "avc": "h264", "h265": "h265", "hevc": "h265", "mjpeg": "mjpeg", "jpeg": "mjpeg"}
        return known.get(plain, plain)

    def picture_bytes(self) -> bytes | None:
        """Return the keyframe as an fMP4 file; None: there is none."""
        try:
            return base64.b64decode(self.picture, validate=True) if self.picture else None
        except binascii.Error:
            return None

    def to_input(self, kind: str) -> StreamInput:
        """Return it as a stream that is to be used."""
        width, height = (int(each) if each and 0 < each < 2**31 else None for each in (self.width, self.height))
        return StreamInput(kind, self.url, self.codec_words[:40], width, height, self.fps)


class ProbeResult(BaseModel):
    """What looking at a device found."""

    model_config = _LOOSE

    onvif: FoundDevice | None = None
    streams: list[FoundStream] = []
    errors: list[Sentence] = []

    @classmethod
    def read(cls, told: Any, host: str, secret: str = "") -> Self:
        """Read the recorder's answer about the device at `host`; streams elsewhere become errors.

        `secret` is masked in whatever a device or a recorder repeats of it.

        Raises:
            UnavailableError: it is no such answer.
        """
        try:
            found = cls.model_validate(told)
        except ValidationError as error:
            msg = "the recorder's answer about this device cannot be read: are both of the same version?"
            raise UnavailableError(msg) from error
        streams, errors = [], [_masked(each, secret) for each in found.errors[:20]]
        for each in found.streams[:MAX_STREAMS]:
            address = bare(each.url)[0]
            try:
                checked_url(address, settings.CONTROL.camera_ranges)
            except OvertError as error:
                errors.append(f"The device names a stream at an address that is not used: {error}")
                continue
            if host_of(address) != host:
                errors.append(f"The device names a stream at another address, {host_of(address)}, which is not used.")
                continue
            streams.append(each.model_copy(update={"url": address, "error": _masked(each.error, secret)}))
        return found.model_copy(update={"streams": streams, "errors": errors})

    def suggested(self) -> tuple[int | None, int | None]:
        """Return which streams would do as main stream and substream: the largest, and a small one for walls."""
        working = [number for number, each in enumerate(self.streams) if each.works]
        if not working:
            return None, None
        main = max(working, key=lambda number: self.streams[number].pixels)
        others = [number for number in working if self.streams[number].pixels < self.streams[main].pixels]
        sub = min(
            others,
            key=lambda number: (self.streams[number].family != "h264", self.streams[number].pixels),
            default=None,
        )
        return main, sub

    def chosen(self, main: int, sub: int | None) -> tuple[StreamInput, ...]:
        """Return the streams that somebody has chosen, by their places."""
        streams = [self.streams[main].to_input(Stream.Kind.MAIN)]
        return (*streams, self.streams[sub].to_input(Stream.Kind.SUB)) if sub is not None else tuple(streams)


def probe(device: DeviceInput, present: Installation | None, camera: str) -> tuple[DeviceInput, ProbeResult]:
    """Have the recorder look at a device: (the device with the password that was used, what was found).

    What is found has pictures, so that it is written down first, under the short name of the camera it is for.

    Raises:
        FieldError: something about the device is wrong; `field` says what.
        UnavailableError: no recorder answers, or it cannot be written down.
    """
    good = checked(device, settings.CONTROL.camera_ranges)
    password = password_for(present, good)
    asked = {
        "host": good.host,
        "username": good.username,
        "password": password.get_secret_value(),
        "rtsp_port": good.port,
        "onvif_port": good.onvif_port,
        "urls": [each.url for each in whole(present, good.streams)],
    }
    record(Kind.DEVICE_PROBED, cameras=[camera])
    client = SocketClient(settings.CONTROL.recorder_socket)
    told = client.ask("POST", "/probes", asked, timeout_s=PROBE_TIMEOUT_S)
    found = ProbeResult.read(told, good.host, password.get_secret_value())
    described = found.onvif or FoundDevice()
    return (
        DeviceInput(
            good.host,
            good.port,
            good.username,
            password,
            good.onvif_port,
            described.maker,
            described.model,
            described.firmware,
            described.serial_number,
        ),
        found,
    )
