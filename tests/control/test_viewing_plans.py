"""Floor plans: pictures that people bring, where cameras are, and who may know."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from control_rig import camera_at, person_with, signed_in, site_in
from overt.control.estate.models import Camera, Site
from overt.control.people.actions import Action
from overt.control.viewing import pictures
from overt.control.viewing.models import FloorPlan
from overt.errors import InvalidError

SCRIPT = b"<script>alert(1)</script>"


def drawn(kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, "teal" if mode == "RGB" else 0).save(out, kind, **more)
    return out.getvalue()


def read(data: bytes) -> pictures.Picture:
    return pictures.checked(io.BytesIO(data), len(data))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, with next to nothing in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_written_anew(kind: str) -> None:
    kept = read(drawn(kind))
    assert (kept.width, kept.height) == (64, 48)
    assert Image.open(io.BytesIO(kept.data)).format == "WEBP"


def test_a_large_one_is_made_smaller_and_a_clear_one_white() -> None:
    kept = read(drawn(size=(6000, 1500)))
    assert (kept.width, kept.height) == (3000, 750)
    clear = Image.open(io.BytesIO(read(drawn(mode="RGBA")).data)).convert("RGB")
    assert clear.getpixel((5, 5)) == (255, 255, 255)


def test_nothing_of_what_a_file_carries_besides_is_kept() -> None:
    jpeg = drawn("JPEG", comment=SCRIPT, exif=b"Exif\0\0" + SCRIPT)
    for brought in (jpeg, drawn("PNG") + SCRIPT, drawn("JPEG") + b"PK\x03\x04" + SCRIPT):
        assert b"script" not in read(brought).data


@pytest.mark.parametrize(
    "brought",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + bytes(64),
        SCRIPT + drawn("PNG"),
        drawn("PNG")[:60],
        drawn("GIF"),
        drawn("TIFF"),
        b"%PDF-1.7\n" + drawn("JPEG"),
        b"\x89PNG\r\n\x1a\n" + bytes(200),
    ],
    ids=["empty", "svg", "gif-head", "html-first", "cut", "gif", "tiff", "pdf", "png-head"],
)
def test_what_is_no_picture_of_the_three_formats(brought: bytes) -> None:
    with pytest.raises(InvalidError, match="no PNG, JPEG or WebP"):
        read(brought)


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_001, 20), (2**31 - 1, 2**31 - 1), (8000, 8000)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidError):
        read(png_of(*size))


def test_a_large_file_is_refused_unread() -> None:
    with pytest.raises(InvalidError, match="at most 10 MB"):
        pictures.checked(io.BytesIO(b""), 11 * 1024 * 1024)


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 199))
def test_bytes_that_were_changed_are_a_picture_or_refused(noise: bytes, kind: str, at: int) -> None:
    data = bytearray(drawn(kind))
    data[at : at + len(noise)] = noise
    try:
        kept = read(bytes(data))
    except InvalidError:
        return
    assert Image.open(io.BytesIO(kept.data)).format == "WEBP"


# --- pages ------------------------------------------------------------------------------------------------------------

pages = pytest.mark.django_db


@pytest.fixture(name="uploads", autouse=True)
def _uploads(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return tmp_path / "uploads"


def bring(client: Client, site: Site, data: bytes, file: str = "plan.png", name: str = "Ground floor") -> Any:
    upload = SimpleUploadedFile(file, data, content_type="image/png")
    return client.post(f"/plans/add/{site.pk}", {"name": name, "picture": upload}, secure=True)


def manager(site: Site | None, name: str = "Max Manager") -> Client:
    group = site.group if site else None
    return signed_in(person_with(Action.CHANGE_CAMERAS, Action.LIVE, group=group, name=name))


@pages
def test_a_plan_is_added_filled_and_seen(uploads: Path) -> None:
    site = site_in()
    camera = camera_at(site, "market", name="<b>Market</b>", state=Camera.State.RECORDING)
    client = manager(site)
    assert bring(client, site, drawn(), "../../evil.html").status_code == 302
    plan = FloorPlan.objects.get()
    assert [each.name for each in uploads.rglob("*.*")] == [f"{plan.pk}.webp"]
    form = {f"{camera.pk}-on": "on", f"{camera.pk}-x": "25.5", f"{camera.pk}-y": "60", f"{camera.pk}-direction": "90"}
    assert client.post(f"/plans/{plan.pk}/change", form, secure=True).status_code == 302
    told = client.get(f"/plans/{plan.pk}/pins", secure=True).json()
    assert told["pins"] == [
        {"camera": "market", "name": "<b>Market</b>", "x": 25.5, "y": 60.0, "direction": 90, "live": True}
    ]
    answer = client.get(f"/plans/{plan.pk}/picture", secure=True)
    assert (answer["content-type"], answer["x-content-type-options"]) == ("image/webp", "nosniff")
    assert "sandbox" in answer["content-security-policy"]
    page = client.get(f"/plans/{plan.pk}/change", secure=True).content.decode()
    assert "&lt;b&gt;Market&lt;/b&gt;" in page
    assert "<b>Market" not in page
    assert client.post(f"/plans/{plan.pk}/remove", secure=True).status_code == 302
    assert not list(uploads.rglob("*.webp"))


@pages
@pytest.mark.parametrize(
    "wrong", [{"x": "101"}, {"x": ""}, {"y": "-1"}, {"x": "nan"}, {"direction": "360"}, {"y": "inf"}]
)
def test_places_that_are_none(wrong: dict[str, str]) -> None:
    site = site_in()
    camera = camera_at(site)
    client = manager(site)
    bring(client, site, drawn())
    plan = FloorPlan.objects.get()
    told = {"on": "on", "x": "1", "y": "1", "direction": "0"} | wrong
    answer = client.post(
        f"/plans/{plan.pk}/change", {f"{camera.pk}-{name}": value for name, value in told.items()}, secure=True
    )
    assert answer.status_code == 422
    assert "There is a problem" in answer.content.decode()
    assert not plan.pins.exists()  # type: ignore[attr-defined]


@pages
def test_a_wrong_file_is_told_beside_the_field() -> None:
    site = site_in()
    answer = bring(manager(site), site, b"<svg/>", "plan.svg")
    assert answer.status_code == 422
    assert "no PNG, JPEG or WebP" in answer.content.decode()
    assert not FloorPlan.objects.exists()


@pages
def test_plans_of_other_groups_are_not_there() -> None:
    town, library = site_in(), site_in("Libraries", "Central Library")
    bring(manager(library), library, drawn())
    plan = FloorPlan.objects.get()
    stranger = manager(town, "Terry Technician")
    for path in ("", "/pins", "/picture", "/change"):
        answer = stranger.get(f"/plans/{plan.pk}{path}", secure=True)
        assert answer.status_code == 404, path
    for path in ("/change", "/remove"):
        assert stranger.post(f"/plans/{plan.pk}{path}", secure=True).status_code == 404
    assert bring(stranger, library, drawn()).status_code == 404
    assert stranger.get(f"/plans/{uuid4()}", secure=True).status_code == 404
    assert "Central Library" not in stranger.get("/plans", secure=True).content.decode()
    assert FloorPlan.objects.count() == 1


@pages
def test_who_may_watch_alone_changes_nothing() -> None:
    site = site_in()
    bring(manager(site), site, drawn())
    plan = FloorPlan.objects.get()
    operator = signed_in(person_with(Action.LIVE, group=site.group, name="Olive Operator"))
    assert operator.get(f"/plans/{plan.pk}", secure=True).status_code == 200
    assert operator.post(f"/plans/{plan.pk}/remove", secure=True).status_code == 403
    assert bring(operator, site, drawn()).status_code == 403
