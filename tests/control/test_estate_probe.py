"""Looking at a device: what is said about what was found, what is chosen, and devices that answer with malice."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from acts_rig import Written
from control_rig import person_with, signed_in, site_in
from estate_rig import add_camera, camera_form, device_form, faults, text_of
from overt.control.estate.advice import advice
from overt.control.estate.credentials import revealed
from overt.control.estate.models import Camera, Device, Installation, Pending
from overt.control.estate.probing import FoundStream, ProbeResult
from overt.control.people.actions import Action
from overt.errors import UnavailableError
from overt.ledger.ledger import Ledger
from probe_rig import ProbeServer, keyframe, onvif, probe_server, small, stream

HOST = "192.0.2.7"
MAIN, SUB = f"rtsp://{HOST}:554/main", f"rtsp://{HOST}:554/sub"
SECRET = "kestrel over the moor"
GOOD = {"onvif": onvif(), "streams": [stream(MAIN), small(SUB)], "errors": []}


# --- advice, from plain values ----------------------------------------------------------------------------------------


def kinds(answer: dict[str, Any], *, audio: bool = False) -> set[tuple[str, str]]:
    """What is said of an answer, with the streams that are suggested."""
    found = ProbeResult.model_validate(answer)
    return {(each.about, each.kind) for each in advice(found, *found.suggested(), audio=audio)}


def test_a_device_that_suits_is_given_no_advice() -> None:
    assert kinds(GOOD) == set()


@pytest.mark.parametrize(
    ("main", "sub", "said"),
    [
        ({"gop_s": 4.0}, {}, {("main", "long-gop")}),
        ({"gop_s": 2.08}, {}, set()),
        ({"gop_s": 12.0}, {}, {("main", "smart-codec")}),
        ({}, {"gop_s": 5.0}, {("sub", "long-gop")}),
        ({}, {"codec": "H.265"}, {("sub", "sub-h265")}),
        ({}, {"codec": "hevc"}, {("sub", "sub-h265")}),
        ({"codec": "h265"}, {}, {("main", "main-h265")}),
        ({"codec": "MJPEG", "gop_s": 0.04}, {}, {("main", "mjpeg")}),
        ({}, {"codec": "jpeg"}, {("sub", "mjpeg")}),
        ({}, {"width": 1600, "height": 900}, {("sub", "large-sub")}),
        ({}, {"bitrate_bps": 4_000_000}, {("sub", "large-sub")}),
        ({"clock_offset_s": 3600.0}, {}, {("device", "clock")}),
        ({"clock_offset_s": -2.5}, {}, {("device", "clock")}),
        ({"audio": "AAC"}, {}, {("device", "audio")}),
        ({"fps": 50.0}, {}, {("main", "fps")}),
        ({}, {"fps": 1.0}, {("sub", "fps")}),
        ({}, {"error": "nobody answers"}, {("device", "no-sub")}),
        ({"error": "x"}, {"error": "y"}, {("device", "nothing")}),
    ],
)
def test_what_does_not_suit_is_said(main: dict[str, Any], sub: dict[str, Any], said: set[tuple[str, str]]) -> None:
    assert kinds({"onvif": None, "streams": [stream(MAIN, **main), small(SUB, **sub)], "errors": []}) == said


def test_sound_that_is_wanted_and_not_sent_is_said() -> None:
    assert kinds(GOOD, audio=True) == {("device", "no-audio")}
    with_sound = {**GOOD, "streams": [stream(MAIN, audio="AAC"), small(SUB)]}
    assert kinds(with_sound, audio=True) == set()


def test_the_clock_that_onvif_tells_counts_too() -> None:
    assert kinds({**GOOD, "onvif": onvif(clock_offset_s=-7200)}) == {("device", "clock")}


NUMBERS = st.none() | st.floats() | st.integers() | st.booleans() | st.text(max_size=3)
FOUND = st.fixed_dictionaries(
    {
        "url": st.just(MAIN),
        "codec": st.sampled_from(["H.264", "H.265", "MJPEG", "", "VP9"]) | st.text(max_size=8),
        **dict.fromkeys(("width", "height", "fps", "gop_s", "bitrate_bps", "clock_offset_s"), NUMBERS),
        "audio": st.none() | st.text(max_size=5),
        "error": st.none() | st.text(max_size=5),
    }
)


@given(st.lists(FOUND, max_size=4), st.booleans())
def test_every_answer_gives_sentences(streams: list[dict[str, Any]], audio: bool) -> None:
    found = ProbeResult.model_validate({"onvif": None, "streams": streams, "errors": []})
    main, sub = found.suggested()
    said = advice(found, main, sub, audio=audio)
    assert (main is None) == (not any(each.works for each in found.streams))
    assert main is None or main != sub
    for each in said:
        assert each.matters.endswith(".")
        assert each.change.endswith(".")
        assert "nan" not in each.matters.lower().split()
    assert len({(each.about, each.kind) for each in said}) == len(said)


@given(gop=st.floats(0.01, 1000), fps=st.floats(1, 60))
def test_the_longer_the_keyframes_are_apart_the_more_is_said(gop: float, fps: float) -> None:
    said = kinds({**GOOD, "streams": [stream(MAIN, gop_s=gop, fps=fps), small(SUB)]})
    assert (("main", "smart-codec") in said) == (gop > 6)
    assert (("main", "long-gop") in said) == (2.2 < gop <= 6)


def test_the_small_stream_of_a_codec_that_browsers_show_is_suggested() -> None:
    streams = [small(SUB, codec="H.265", width=320, height=180), stream(MAIN), small(f"{SUB}2")]
    found = ProbeResult.model_validate({"onvif": None, "streams": streams, "errors": []})
    assert found.suggested() == (1, 2)


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[ProbeServer]:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path / "footage"})
    with probe_server(tmp_path / "footage" / "recorder.sock") as served:
        served.answer = GOOD
        yield served


@pytest.fixture
def client(db: None) -> Client:
    return signed_in(person_with(Action.CHANGE_CAMERAS))


@pytest.fixture
def camera(client: Client) -> Camera:
    return add_camera(client, camera_form(site_in(), client.get("/cameras").wsgi_request.user))


def look(client: Client, camera: Camera, path: str = "device", **more: Any) -> Any:
    """Look at a device on the page: the page with what was found."""
    form = device_form(camera.version, HOST, **{"act": "look", "username": "admin", "password": SECRET, **more})
    return client.post(f"/cameras/{camera.pk}/{path}", form, follow=True)


def test_that_a_device_is_looked_at_is_written_down_before_it_is(
    server: ProbeServer, client: Client, camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written.from_now()
    look(client, camera, main_url=MAIN)
    [told] = written.bodies("device.probed")
    assert (told["cameras"], told["who"]["name"]) == ([camera.key], "Robin Field")
    assert HOST not in str(told)

    def full(*_: object) -> None:
        raise UnavailableError("the ledger’s disk is full")

    monkeypatch.setattr(Ledger, "append", full)
    count = len(server.asked)
    assert "disk is full" in look(client, camera, main_url=MAIN).content.decode()
    assert len(server.asked) == count, "the device was not asked"


def test_a_device_is_looked_at_and_its_streams_are_chosen(server: ProbeServer, client: Client, camera: Camera) -> None:
    server.answer = {**GOOD, "streams": [stream(MAIN, gop_s=4.0, picture=keyframe()), small(SUB)]}
    answer = look(client, camera, onvif_port="8000", main_url=MAIN)
    assert server.asked == [
        {
            "host": HOST,
            "username": "admin",
            "password": SECRET,
            "rtsp_port": 554,
            "onvif_port": 8000,
            "urls": [MAIN],
        }
    ]
    page = text_of(answer)
    for words in ("Acme Dome 4", "1920 by 1080 pixels", "4.0 seconds", "keyframe interval", "I-frame interval"):
        assert words in page
    assert SECRET not in page
    here = answer.redirect_chain[-1][0]
    picture = client.get(f"{here}/0.mp4")
    assert picture["content-type"] == "video/mp4"
    assert picture.content == base64.b64decode(keyframe())
    assert client.get(f"{here}/1.mp4").status_code == 404
    assert client.get(f"{here}/99.mp4").status_code == 404

    saved = client.post(here, {"act": "save", "version": str(camera.version), "main": "0", "sub": "1"}, follow=True)
    assert "saved with its streams" in text_of(saved)
    installation = Installation.objects.get()
    assert [(each.kind, each.url, each.width) for each in installation.streams.all()] == [
        ("main", MAIN, 1920),
        ("sub", SUB, 640),
    ]
    device = installation.device
    assert (device.maker, device.model, device.serial_number, device.onvif_port) == ("Acme", "Dome 4", "A-77", 8000)
    assert revealed(device.password_sealed).get_secret_value() == SECRET
    assert not Pending.objects.exists()
    assert "H.264, 1920 by 1080 pixels" in text_of(client.get(f"/cameras/{camera.pk}"))


def test_nothing_is_saved_before_somebody_has_chosen(server: ProbeServer, client: Client, camera: Camera) -> None:
    look(client, camera)
    assert not Device.objects.exists()
    (kept,) = Pending.objects.all()
    assert SECRET not in str(vars(kept))


def test_looking_again_asks_the_same_anew(server: ProbeServer, client: Client, camera: Camera) -> None:
    here = look(client, camera, main_url=MAIN).redirect_chain[-1][0]
    server.answer = {**GOOD, "streams": [stream(MAIN), small(SUB, codec="H.265")]}
    answer = client.post(here, {"act": "again", "version": str(camera.version)}, follow=True)
    assert "shows nothing" in text_of(answer)
    assert server.asked[0] == server.asked[1]
    assert client.get(here).status_code == 404


def test_choices_that_were_not_offered_are_refused(server: ProbeServer, client: Client, camera: Camera) -> None:
    server.answer = {**GOOD, "streams": [stream(MAIN), small(SUB), small(f"{SUB}3", error="nobody answers")]}
    here = look(client, camera).redirect_chain[-1][0]
    for main, sub in (("2", "1"), ("0", "2"), ("7", "1"), ("0", "0"), ("-1", "0"), ("", ""), ("0", "x")):
        answer = client.post(here, {"act": "save", "version": str(camera.version), "main": main, "sub": sub})
        assert answer.status_code == 400, (main, sub)
        assert faults(answer)
    assert not Device.objects.exists()


def test_a_device_that_shows_nothing_says_why(server: ProbeServer, client: Client, camera: Camera) -> None:
    server.answer = {"onvif": None, "streams": [], "errors": [f"ONVIF refused the password {SECRET}", "no RTSP at 554"]}
    page = text_of(look(client, camera))
    assert "No stream of this device gave a picture" in page
    assert "no RTSP at 554" in page
    assert SECRET not in page
    assert "Save the device" not in page


def test_a_recorder_that_is_away_is_said_to_be(
    client: Client, camera: Camera, tmp_path: Path, settings: Settings
) -> None:
    settings.CONTROL = settings.CONTROL.model_copy(update={"footage": tmp_path})
    answer = look(client, camera)
    assert answer.status_code == 503
    assert "no recorder answers" in text_of(answer)
    assert SECRET not in text_of(answer)


def test_an_answer_that_is_none_is_said_to_be(server: ProbeServer, client: Client, camera: Camera) -> None:
    for told in ([], {"streams": [{"url": 7}]}, {"streams": "x"}, "x", {"onvif": 3}):
        server.answer = told
        answer = look(client, camera)
        assert answer.status_code == 503, told
        assert "cannot be read" in text_of(answer)


def test_somebody_else_who_saved_meanwhile_is_named(server: ProbeServer, client: Client, camera: Camera) -> None:
    here = look(client, camera).redirect_chain[-1][0]
    other = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill"))
    other.post(f"/cameras/{camera.pk}/device", device_form(camera.version, HOST, main_url=MAIN))
    choice = {"act": "save", "version": str(camera.version), "main": "0", "sub": "1"}
    answer = client.post(here, choice)
    assert answer.status_code == 409
    assert "Sam Hill" in text_of(answer)
    camera.refresh_from_db()
    assert f'name="version" value="{camera.version}"' in text_of(answer)
    assert client.post(here, {**choice, "version": str(camera.version)}).status_code == 302


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_attack_a_device_whose_name_is_a_script(server: ProbeServer, client: Client, camera: Camera) -> None:
    evil = "<script>alert(1)</script>\x1b[2J\u202e"
    described = onvif(maker=evil, model=evil * 500, firmware=evil, serial_number=evil)
    streams = [stream(MAIN, codec=evil, codecs=evil, audio=evil), small(SUB, error=evil)]
    server.answer = {"onvif": described, "streams": streams, "errors": [evil]}
    answer = look(client, camera)
    here = answer.redirect_chain[-1][0]
    saved = client.post(here, {"act": "save", "version": str(camera.version), "main": "0", "sub": "none"}, follow=True)
    assert Installation.objects.get().streams.count() == 1
    for page in (text_of(answer), text_of(saved)):
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert len(page) < 40_000


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://127.0.0.1/x",
        "rtsp://169.254.169.254/latest/meta-data",
        "rtsp://198.51.100.9/x",
        "rtsp://192.0.2.7@198.51.100.9/x",
        "http://192.0.2.7/x",
        "rtsp://[::ffff:127.0.0.1]/x",
        "javascript:alert(1)",
    ],
)
def test_attack_a_device_that_names_streams_elsewhere_has_none_there(
    server: ProbeServer, client: Client, camera: Camera, url: str
) -> None:
    server.answer = {"onvif": onvif(), "streams": [stream(url), small(SUB)], "errors": []}
    answer = look(client, camera)
    assert "which is not used" in text_of(answer) or "that is not used" in text_of(answer)
    here = answer.redirect_chain[-1][0]
    client.post(here, {"act": "save", "version": str(camera.version), "main": "0", "sub": "none"})
    assert [each.url for each in Installation.objects.get().streams.all()] == [SUB]


def test_attack_a_device_that_repeats_its_password_in_an_address(
    server: ProbeServer, client: Client, camera: Camera
) -> None:
    server.answer = {**GOOD, "streams": [stream(f"rtsp://admin:{SECRET.replace(' ', '%20')}@{HOST}/main")]}
    assert "kestrel" not in text_of(look(client, camera))


def test_attack_a_kept_password_is_not_asked_of_another_address(
    server: ProbeServer, client: Client, camera: Camera
) -> None:
    form = device_form(camera.version, HOST, username="admin", password=SECRET, main_url=MAIN)
    client.post(f"/cameras/{camera.pk}/device", form)
    server.asked.clear()
    answer = look(client, camera, password="", host="198.51.100.9")
    assert any("Give the password again" in each for each in faults(answer))
    answer = look(client, camera, "device/replace", password="", host="198.51.100.9")
    assert [each["password"] for each in server.asked] == [""]
    server.asked.clear()
    look(client, camera, password="")
    assert [each["password"] for each in server.asked] == [SECRET]


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "0x7f.1", "::ffff:10.0.0.1"])
def test_attack_nobody_looks_at_an_address_where_no_camera_may_be(
    server: ProbeServer, client: Client, camera: Camera, host: str
) -> None:
    answer = look(client, camera, host=host)
    assert 'href="#id_host"' in text_of(answer)
    assert server.asked == []


def test_attack_what_somebody_looked_at_is_theirs_alone(server: ProbeServer, client: Client, camera: Camera) -> None:
    here = look(client, camera).redirect_chain[-1][0]
    other = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill"))
    for path in (here, f"{here}/0.mp4"):
        assert other.get(path).status_code == 404
    second = add_camera(client, camera_form(camera.site, None, "Yard"))
    assert client.get(here.replace(str(camera.pk), str(second.pk))).status_code == 404
    watcher = signed_in(person_with(Action.LIVE, name="Jo Moor"))
    assert watcher.get(here).status_code == 403


def test_a_picture_that_is_no_base64_is_no_picture() -> None:
    assert FoundStream.model_validate(stream(MAIN, picture="<not base64>")).picture_bytes() is None
    assert "AAAA" not in repr(FoundStream.model_validate(stream(MAIN, picture="AAAA")))


def test_what_is_kept_of_looks_is_bounded(server: ProbeServer, client: Client, camera: Camera) -> None:
    for _ in range(8):
        look(client, camera)
    assert Pending.objects.count() == 5
    assert json.dumps(GOOD)
