"""What the API of sites and cameras takes and gives. A password goes in and never comes out: no answer has one."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field, SecretStr, StringConstraints

from overt.control.estate.credentials import MAX_PASSWORD
from overt.control.estate.models import MAX_WORDS
from overt.control.people.api import Asking, Number, Words
from overt.control.people.models import MAX_NAME

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00]*$")]
Line = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00]*$")]
Text = Annotated[str, StringConstraints(max_length=MAX_WORDS, pattern=r"^[^\x00]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[^\x00]*$")]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^[^\x00]*$")]
UserName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
Password = Annotated[SecretStr, Field(max_length=MAX_PASSWORD)]
State = Literal["draft", "recording", "off", "retired"]


class SiteIn(Asking):
    """A new site."""

    name: Name
    group: Number
    address: Line = ""


class SiteChangeIn(SiteIn):
    """A site, and the version that the change was made of."""

    version: Number


class SiteOut(Schema):
    """A site."""

    id: int
    name: str
    group: int
    group_name: str
    address: str
    version: int


class CameraFields(Asking):
    """What is written about a camera."""

    name: Name
    site: Number
    location: Line = ""
    purpose: Text = ""
    legal_basis: Line = ""
    owner: UUID | None = None
    review_on: dt.date | None = None
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 31
    retention_reason: Text = ""
    audio: bool = False
    audio_reason: Text = ""


class CameraIn(CameraFields):
    """A new camera; without `key` its short name is made of its name."""

    key: Annotated[str, StringConstraints(max_length=63, pattern=r"^[^\x00]*$")] = ""


class CameraChangeIn(CameraFields):
    """All that is written about a camera, and the version that the change was made of."""

    version: Number


class StreamOut(Schema):
    """A stream; its address only for who works on equipment."""

    kind: str
    url: str | None
    codec: str
    width: int | None
    height: int | None
    fps: float | None


class DeviceOut(Schema):
    """The device that hangs there now; where it is only for who works on equipment."""

    host: str | None
    port: int | None
    onvif_port: int | None
    username: str | None
    password_set: bool
    maker: str
    model: str
    firmware: str
    serial_number: str
    since: dt.datetime
    streams: list[StreamOut]


class CameraRow(Schema):
    """A camera, as lists have it."""

    id: UUID
    key: str
    name: str
    site: int
    site_name: str
    group: int
    location: str
    state: State
    purpose: str
    legal_basis: str
    owner: UUID | None
    owner_name: str | None
    review_on: dt.date | None
    retention_days: int
    retention_reason: str
    audio: bool
    audio_reason: str
    version: int
    needs: list[str]
    """What it lacks or is late with, in a word or two each."""


class CameraOut(CameraRow):
    """A camera with its device."""

    device: DeviceOut | None
    left_out: str
    """Why the recorder could not be told to record it; empty: it could."""


class CamerasOut(Schema):
    """A page of cameras."""

    total: int
    items: list[CameraRow]


class SoughtCameras(Schema):
    """Which cameras are wanted, and which page of them."""

    q: Words = ""
    site: Number | None = None
    group: Number | None = None
    state: State | Literal[""] = ""
    attention: Literal["", "any", "purpose", "owner", "overdue", "device"] = ""
    sort: Literal["site", "name", "review"] = "site"
    offset: Number = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class DescribedDevice(Asking):
    """Where a device is, and who is let in. Without `password`, the one that is kept is used."""

    host: Host
    port: Port = 554
    onvif_port: Port | None = None
    username: UserName = ""
    password: Password | None = None
    main_url: Url = ""
    sub_url: Url = ""


class DeviceIn(DescribedDevice):
    """A device, and the version that the change was made of; `replace`: another one hangs there from now on."""

    version: Number
    replace: bool = False


class AdviceOut(Schema):
    """One thing that does not suit, and what to change on the device."""

    about: str
    matters: str
    change: str
    kind: str


class FoundStreamOut(Schema):
    """What was found of a stream."""

    url: str
    codec: str
    codecs: str
    width: float | None
    height: float | None
    fps: float | None
    gop_s: float | None
    bitrate_bps: float | None
    audio: str
    clock_offset_s: float | None
    error: str
    picture: str | None
    """One keyframe as fMP4, base64."""


class ProbeOut(Schema):
    """What was found at a device; `main` and `sub` are the places of the streams that would do."""

    maker: str
    model: str
    firmware: str
    serial_number: str
    streams: list[FoundStreamOut]
    main: int | None
    sub: int | None
    advice: list[AdviceOut]
    errors: list[str]


class RecorderOut(Schema):
    """How far the recorder is with what it is to record."""

    revision: int
    taken_revision: int
    waiting_since: dt.datetime | None
    problem: str
