"""The API of sites and cameras: what the pages do, by the same functions, with the same rights.

A password goes in and never comes out: what is sent back has no field for one.
"""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status

from overt.contract.assignment import shown_url
from overt.control.estate import changes, register, revisions
from overt.control.estate.advice import advice
from overt.control.estate.api_schemas import (
    AdviceOut,
    CameraChangeIn,
    CameraFields,
    CameraIn,
    CameraOut,
    CameraRow,
    CamerasOut,
    DescribedDevice,
    DeviceIn,
    DeviceOut,
    FoundStreamOut,
    ProbeOut,
    RecorderOut,
    SiteChangeIn,
    SiteIn,
    SiteOut,
    SoughtCameras,
    StreamOut,
)
from overt.control.estate.credentials import bare
from overt.control.estate.equipment import DeviceInput, FieldError, StreamInput
from overt.control.estate.models import Camera, Installation, Site
from overt.control.estate.probing import FoundStream, ProbeResult, probe
from overt.control.people.actions import Action
from overt.control.people.api_access import caller_of
from overt.control.people.gate import Asked, asks
from overt.control.people.models import Person
from overt.control.people.rights import require
from overt.errors import InvalidError

router = Router(tags=["Sites and cameras"])
knows = asks(*register.KNOWING)
changes_cameras = asks(Action.CHANGE_CAMERAS)


@router.get("/sites", response=list[SiteOut], summary="The sites that one may know of")
@knows
def list_sites(request: Asked) -> list[SiteOut]:
    """List sites, by name."""
    return [_site(each) for each in register.sites_for(request.rights)]


@router.post("/sites", response={201: SiteOut}, summary="Add a site")
@changes_cameras
def add_site(request: Asked, told: SiteIn) -> Status[SiteOut]:
    """Add a site to a group at which one may change cameras."""
    row = Site(name=told.name, group=_group(request, told.group), address=told.address)
    return Status(201, _site(changes.save_site(row, 0)))


@router.get("/sites/{site}", response=SiteOut, summary="A site")
@knows
def show_site(request: Asked, site: int) -> SiteOut:
    """Show a site."""
    return _site(register.site_for(request.rights, _number(site)))


@router.put("/sites/{site}", response=SiteOut, summary="Change a site")
@changes_cameras
def change_site(request: Asked, site: int, told: SiteChangeIn) -> SiteOut:
    """Change a site."""
    row = register.site_for(request.rights, _number(site))
    require(request.rights, Action.CHANGE_CAMERAS, row.group_id)
    row.name, row.address, row.group = told.name, told.address, _group(request, told.group)
    return _site(changes.save_site(row, told.version))


@router.get("/cameras", response=CamerasOut, summary="The cameras that one may know of")
@knows
def list_cameras(request: Asked, sought: Query[SoughtCameras]) -> CamerasOut:
    """List cameras, filtered and sorted as on the page."""
    wanted = register.Filter(sought.q, sought.site, sought.group, sought.state, sought.attention, sought.sort)
    found = register.found(request.rights, wanted, timezone.localdate())
    page = found[sought.offset : sought.offset + sought.limit]
    return CamerasOut(total=found.count(), items=[CameraRow(**_row(each)) for each in page])


@router.post("/cameras", response={201: CameraOut}, summary="Add a camera")
@changes_cameras
def add_camera(request: Asked, told: CameraIn) -> Status[CameraOut]:
    """Add a camera that is still being set up."""
    made = changes.add_camera(_values(request, told), caller_of(request), told.key)
    return Status(201, _camera(request, made))


@router.get("/cameras/{camera}", response=CameraOut, summary="A camera")
@knows
def show_camera(request: Asked, camera: UUID) -> CameraOut:
    """Show a camera with the device that hangs there."""
    return _camera(request, register.camera_for(request.rights, camera))


@router.put("/cameras/{camera}", response=CameraOut, summary="Change a camera")
@changes_cameras
def change_camera(request: Asked, camera: UUID, told: CameraChangeIn) -> CameraOut:
    """Change what is written about a camera."""
    register.camera_to_change(request.rights, camera)
    return _camera(request, changes.change_camera(camera, told.version, _values(request, told), caller_of(request)))


@router.post("/cameras/{camera}/live", response=CameraOut, summary="Have a camera recorded")
@changes_cameras
def go_live(request: Asked, camera: UUID) -> CameraOut:
    """Have a camera recorded; refused with what is wanting."""
    register.camera_to_change(request.rights, camera)
    return _camera(request, changes.go_live(camera, caller_of(request)))


@router.post("/cameras/{camera}/off", response=CameraOut, summary="Switch a camera off")
@changes_cameras
def switch_off(request: Asked, camera: UUID) -> CameraOut:
    """Record a camera no more, for now."""
    register.camera_to_change(request.rights, camera)
    return _camera(request, changes.switch_off(camera, caller_of(request)))


@router.post("/cameras/{camera}/retire", response=CameraOut, summary="Retire a camera for good")
@changes_cameras
def retire(request: Asked, camera: UUID) -> CameraOut:
    """End a camera for good."""
    register.camera_to_change(request.rights, camera)
    return _camera(request, changes.retire(camera, caller_of(request)))


@router.put("/cameras/{camera}/device", response=CameraOut, summary="Put a device behind a camera, or change it")
@changes_cameras
def set_device(request: Asked, camera: UUID, told: DeviceIn) -> CameraOut:
    """Put a device behind a camera, change it, or replace it."""
    register.camera_to_change(request.rights, camera)
    try:
        saved = changes.put_device(camera, told.version, _described(told), caller_of(request), replace=told.replace)
    except FieldError as error:
        msg = f"{error.field}: {error}"
        raise InvalidError(msg) from error
    return _camera(request, saved)


@router.post("/cameras/{camera}/probe", response=ProbeOut, summary="Look at a device")
@changes_cameras
def look(request: Asked, camera: UUID, told: DescribedDevice) -> ProbeOut:
    """Have the recorder look at a device: what it is, its streams, a picture of each, what does not suit."""
    row = register.camera_to_change(request.rights, camera)
    try:
        device, found = probe(_described(told), row.installed, row.key)
    except FieldError as error:
        msg = f"{error.field}: {error}"
        raise InvalidError(msg) from error
    return _found(device, found, audio=row.audio)


@router.get("/recorder", response=RecorderOut, summary="How far the recorder is")
@knows
def recorder(request: Asked) -> RecorderOut:
    """Say whether the recorder has taken all that it is to record."""
    del request
    row = revisions.state_of()
    return RecorderOut(
        revision=row.revision,
        taken_revision=row.taken_revision,
        waiting_since=row.waiting_since,
        problem=row.problem,
    )


def _number(value: int) -> int:
    """Return an id that a table can have; else one that none has."""
    return value if 0 <= value < 2**31 else 0


def _group(request: Asked, group: int) -> Any:
    return get_object_or_404(register.site_groups_for(request.rights, Action.CHANGE_CAMERAS), pk=group)


def _values(request: Asked, told: CameraFields) -> dict[str, Any]:
    """Return the fields of a camera; site and owner are ones that whoever asks may name.

    Raises:
        InvalidError: there is no such site or person for them.
    """
    site = register.sites_for(request.rights, Action.CHANGE_CAMERAS).filter(pk=told.site).first()
    if site is None:
        msg = "site: there is no such site at which you may change cameras"
        raise InvalidError(msg)
    owner = Person.objects.filter(pk=told.owner, is_active=True).first() if told.owner else None
    if told.owner and owner is None:
        msg = "owner: there is no such account"
        raise InvalidError(msg)
    values = told.dict(exclude={"site", "owner", "version", "key"})
    return {**values, "site": site, "owner": owner}


def _described(told: DescribedDevice) -> DeviceInput:
    """Return a device as it was described, user and password taken out of its addresses."""
    user, password, streams = told.username, told.password, []
    for kind, url in (("main", told.main_url), ("sub", told.sub_url)):
        address, named, secret = bare(url)
        if named and user not in ("", named):
            msg = f"{kind}_url: has another user in it than 'username': keep one of them"
            raise InvalidError(msg)
        user = named or user
        password = password or (secret if named else None)
        if address:
            streams.append(StreamInput(kind, address))
    return DeviceInput(told.host, told.port, user, password, told.onvif_port, streams=tuple(streams))


def _site(row: Site) -> SiteOut:
    return SiteOut(
        id=row.pk,
        name=row.name,
        group=row.group_id,
        group_name=row.group.name,
        address=row.address,
        version=row.version,
    )


def _row(camera: Camera) -> dict[str, Any]:
    plain = (
        "key",
        "name",
        "location",
        "state",
        "purpose",
        "legal_basis",
        "review_on",
        "retention_days",
        "retention_reason",
        "audio",
        "audio_reason",
        "version",
    )
    return {
        **{name: getattr(camera, name) for name in plain},
        "id": camera.pk,
        "site": camera.site_id,
        "site_name": camera.site.name,
        "group": camera.site.group_id,
        "owner": camera.owner_id,
        "owner_name": camera.owner.name if camera.owner else None,
        "needs": register.wanting_of(camera, timezone.localdate()),
    }


def _camera(request: Asked, camera: Camera) -> CameraOut:
    sees = register.may_any(request.rights, register.EQUIPMENT, camera.site.group_id)
    present = camera.installed
    left_out = revisions.state_of(camera.recorder).left_out.get(camera.key, "")
    return CameraOut(
        **_row(camera),
        device=_device(present, sees_addresses=sees) if present else None,
        left_out=left_out if camera.state == Camera.State.RECORDING else "",
    )


def _device(present: Installation, *, sees_addresses: bool) -> DeviceOut:
    device = present.device
    return DeviceOut(
        host=device.host if sees_addresses else None,
        port=device.port if sees_addresses else None,
        onvif_port=device.onvif_port if sees_addresses else None,
        username=device.username if sees_addresses else None,
        password_set=bool(device.password_sealed),
        maker=device.maker,
        model=device.model,
        firmware=device.firmware,
        serial_number=device.serial_number,
        since=present.since,
        streams=[
            StreamOut(
                kind=each.kind,
                url=each.url if sees_addresses else None,
                codec=each.codec,
                width=each.width,
                height=each.height,
                fps=each.fps,
            )
            for each in present.streams.all()
        ],
    )


def _found(device: DeviceInput, found: ProbeResult, *, audio: bool) -> ProbeOut:
    main, sub = found.suggested()
    return ProbeOut(
        maker=device.maker,
        model=device.model,
        firmware=device.firmware,
        serial_number=device.serial_number,
        streams=[_stream(each) for each in found.streams],
        main=main,
        sub=sub,
        advice=[
            AdviceOut(about=each.about, matters=each.matters, change=each.change, kind=each.kind)
            for each in advice(found, main, sub, audio=audio)
        ],
        errors=found.errors,
    )


def _stream(stream: FoundStream) -> FoundStreamOut:
    content = stream.picture_bytes()
    told = stream.model_dump(exclude={"picture", "url", "gop_is_least"})
    return FoundStreamOut(
        **told, url=shown_url(stream.url), picture=base64.b64encode(content).decode() if content else None
    )
