"""Cameras through the pages: added, changed by two at once, live, off, retired; and their devices and passwords."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from control_rig import camera_at, person_with, signed_in, site_in
from estate_rig import WHY, add_camera, camera_form, device_form, faults, text_of
from overt.control.estate.changes import key_from
from overt.control.estate.credentials import revealed, sealed
from overt.control.estate.history import Difference, merged
from overt.control.estate.models import Camera, CameraChange, Device, Installation, RecorderAssignment, Site
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.errors import CorruptError
from overt.ids import NAME_PATTERN

pytestmark = pytest.mark.django_db
SECRET = "hunter2 & <more>"
URLS = {"main_url": "rtsp://192.0.2.7:554/stream1", "sub_url": "rtsp://192.0.2.7:554/stream2"}


@pytest.fixture
def manager() -> Person:
    return person_with(Action.CHANGE_CAMERAS)


@pytest.fixture
def client(manager: Person) -> Client:
    return signed_in(manager)


@pytest.fixture
def site(db: None) -> Site:
    return site_in()


def with_device(client: Client, camera: Camera, **more: Any) -> Camera:
    """Give a camera a device on the page."""
    form = device_form(camera.version, "192.0.2.7", **{"username": "admin", "password": SECRET, **URLS, **more})
    answer = client.post(f"/cameras/{camera.pk}/device", form)
    assert answer.status_code == 302, faults(answer)
    camera.refresh_from_db()
    return camera


# --- sites ------------------------------------------------------------------------------------------------------------


def test_the_first_site_brings_its_group(client: Client) -> None:
    answer = client.post("/sites/add", {"name": "Market Hall", "new_group": "Town centre"}, follow=True)
    assert "Market Hall was saved" in text_of(answer)
    assert Site.objects.get(name="Market Hall").group.name == "Town centre"


def test_a_site_needs_one_group_and_a_name_of_its_own(client: Client, site: Site) -> None:
    assert faults(client.post("/sites/add", {"name": "Pool"})) == ["Choose a group, or name a new one."]
    both = {"name": "Pool", "group": str(site.group_id), "new_group": "Leisure"}
    assert faults(client.post("/sites/add", both)) == ["Choose a group, or name a new one: not both."]
    again = {"name": site.name.upper(), "group": str(site.group_id)}
    assert faults(client.post("/sites/add", again)) == ["There is a site of this name already."]


def test_who_changes_cameras_at_one_group_adds_sites_there_alone(site: Site) -> None:
    other = SiteGroup.objects.create(name="Leisure")
    client = signed_in(person_with(Action.CHANGE_CAMERAS, group=site.group))
    assert client.post("/sites/add", {"name": "Pool", "group": str(other.pk)}).status_code == 400
    assert client.post("/sites/add", {"name": "Pool", "new_group": "Mine"}).status_code == 400
    assert not SiteGroup.objects.filter(name="Mine").exists()
    assert client.post("/sites/add", {"name": "Town Hall", "group": str(site.group_id)}).status_code == 302
    hidden = Site.objects.create(name="Pool", group=other)
    assert client.post(f"/sites/{hidden.pk}/change", {"name": "x", "group": str(site.group_id)}).status_code == 404


# --- adding and changing ----------------------------------------------------------------------------------------------


def test_a_camera_is_added_with_a_short_name_made_of_its_name(client: Client, site: Site, manager: Person) -> None:
    first = add_camera(client, camera_form(site, manager, "Market Hall, North Door"))
    second = add_camera(client, camera_form(site, manager, "Market Hall, North Door"))
    assert (first.key, second.key) == ("market-hall-north-door", "market-hall-north-door-2")
    assert first.state == Camera.State.DRAFT
    assert str(first.review_on) == "2031-03-31"


@given(st.text(max_size=200))
def test_every_name_gives_a_lawful_short_name(name: str) -> None:
    assert NAME_PATTERN.fullmatch(key_from(name))


def test_faults_stand_at_their_fields_and_nothing_typed_is_lost(client: Client, site: Site) -> None:
    form = camera_form(
        site, None, "", key="No Good", review_on="soon", retention_days="0", audio="on", location="by <b>"
    )
    answer = client.post("/cameras/add", form)
    assert answer.status_code == 400
    page = text_of(answer)
    for field in ("id_name", "id_key", "id_review_on", "id_retention_days", "id_audio_reason"):
        assert f'href="#{field}"' in page
        assert f'id="{field}"' in page
    assert "by &lt;b&gt;" in page
    assert "soon" in page
    assert Camera.objects.count() == 0


def test_sound_needs_a_justification_of_its_own(client: Client, site: Site, manager: Person) -> None:
    answer = client.post("/cameras/add", camera_form(site, manager, audio="on"))
    assert any("Sound needs a justification" in each for each in faults(answer))
    made = add_camera(client, camera_form(site, manager, audio="on", audio_reason="Lone workers call for help"))
    assert made.audio


def test_a_short_name_is_never_used_again(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, camera_form(site, manager, key="door"))
    client.post(f"/cameras/{camera.pk}/retire")
    answer = client.post("/cameras/add", camera_form(site, manager, key="door"))
    assert any("short name is or was" in each for each in faults(answer))
    camera.refresh_from_db()
    assert client.post(f"/cameras/{camera.pk}/change", camera_form(site, manager, version="9")).status_code == 409
    assert client.post(f"/cameras/{camera.pk}/live").status_code == 409


def test_what_was_changed_is_written_down(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, camera_form(site, manager))
    changed = camera_form(site, manager, retention_days="14", version=str(camera.version))
    assert client.post(f"/cameras/{camera.pk}/change", changed).status_code == 302
    page = text_of(client.get(f"/cameras/{camera.pk}"))
    assert "Days footage is kept: 14 (was: 31)" in page
    assert manager.name in page


def test_two_people_save_one_form_and_nothing_is_lost(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, camera_form(site, manager))
    began = str(camera.version)
    other = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill"))
    path = f"/cameras/{camera.pk}/change"
    theirs = camera_form(site, manager, retention_days="14", purpose="To deter", version=began)
    assert other.post(path, theirs).status_code == 302

    mine = camera_form(site, manager, purpose="To protect staff", location="the south door", version=began)
    answer = client.post(path, mine)
    assert answer.status_code == 409
    page = text_of(answer)
    assert "Sam Hill" in page
    assert "Days footage is kept: 14 (was: 31)" in page
    assert "You both changed <strong>Purpose</strong> (theirs: To deter)" in " ".join(page.split())
    assert 'value="the south door"' in page
    assert "To protect staff" in page
    assert 'value="14"' in page
    camera.refresh_from_db()
    assert camera.purpose == "To deter"

    merged_form = {**mine, "retention_days": "14", "version": str(camera.version)}
    assert client.post(path, merged_form).status_code == 302
    camera.refresh_from_db()
    assert (camera.purpose, camera.location, camera.retention_days) == ("To protect staff", "the south door", 14)


VALUES = st.fixed_dictionaries({"name": st.sampled_from("abc"), "purpose": st.sampled_from("abc")})


@given(base=VALUES, mine=VALUES, theirs=st.lists(VALUES, min_size=1, max_size=3))
def test_bringing_two_forms_together_keeps_what_each_changed(
    base: dict[str, str], mine: dict[str, str], theirs: list[dict[str, str]]
) -> None:
    changed, before = [], base
    for after in theirs:
        rows = [
            Difference(name, before[name], after[name], before[name], after[name]).to_row()
            for name in before
            if before[name] != after[name]
        ]
        changed.append(CameraChange(fields=rows))
        before = after
    values, both = merged(changed, mine)
    for name, began in base.items():
        expected = theirs[-1][name] if mine[name] == began else mine[name]
        assert values[name] == expected
    assert {each.field for each in both} <= {name for name in base if mine[name] != theirs[-1][name]}


# --- live, off, retired -----------------------------------------------------------------------------------------------


def test_a_camera_goes_live_only_when_nothing_is_wanting(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, {"name": "Yard", "site": str(site.pk), "retention_days": "31"})
    page = text_of(client.post(f"/cameras/{camera.pk}/live", follow=True))
    for words in (
        "without a purpose",
        "legal basis",
        "answers for it",
        "reviewed next",
        "kept for so long",
        "add a device",
    ):
        assert words in page
    camera.refresh_from_db()
    assert camera.state == Camera.State.DRAFT

    form = camera_form(site, manager, "Yard", version=str(camera.version))
    client.post(f"/cameras/{camera.pk}/change", form)
    camera.refresh_from_db()
    with_device(client, camera)
    assert "goes live" in text_of(client.post(f"/cameras/{camera.pk}/live", follow=True))
    camera.refresh_from_db()
    assert camera.state == Camera.State.RECORDING
    assert RecorderAssignment.objects.get().revision == 1
    # What it needs cannot be taken away while it is live.
    bare = {**form, "purpose": "", "version": str(camera.version)}
    assert client.post(f"/cameras/{camera.pk}/change", bare).status_code == 400


def test_changes_that_the_recorder_need_not_know_do_not_raise_its_revision(
    client: Client, site: Site, manager: Person
) -> None:
    camera = with_device(client, add_camera(client, camera_form(site, manager)))
    client.post(f"/cameras/{camera.pk}/live")

    def change(**fields: str) -> int:
        camera.refresh_from_db()
        client.post(f"/cameras/{camera.pk}/change", camera_form(site, manager, version=str(camera.version), **fields))
        return RecorderAssignment.objects.get().revision

    assert change(purpose="To deter") == 1
    assert change(purpose="To deter", retention_days="7") == 2
    client.post(f"/cameras/{camera.pk}/off")
    assert RecorderAssignment.objects.get().revision == 3
    page = text_of(client.get(f"/cameras/{camera.pk}"))
    assert "not yet with the recorder" in page


def test_a_device_is_replaced_and_the_camera_stays(client: Client, site: Site, manager: Person) -> None:
    camera = with_device(client, add_camera(client, camera_form(site, manager)))
    client.post(f"/cameras/{camera.pk}/live")
    camera.refresh_from_db()
    form = device_form(camera.version, "192.0.2.8", main_url="rtsp://192.0.2.8/main")
    assert client.post(f"/cameras/{camera.pk}/device/replace", form).status_code == 302
    old, new = camera.installations.order_by("since")
    assert (old.device.host, new.device.host) == ("192.0.2.7", "192.0.2.8")
    assert old.until is not None
    assert new.until is None
    assert new.device.password_sealed == ""
    assert old.streams.count() == 2
    camera.refresh_from_db()
    assert camera.state == Camera.State.RECORDING
    client.post(f"/cameras/{camera.pk}/retire")
    assert not camera.installations.filter(until=None).exists()


def test_a_second_person_with_an_old_device_form_is_told(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, camera_form(site, manager))
    old = device_form(camera.version, "192.0.2.9")
    with_device(client, camera)
    answer = client.post(f"/cameras/{camera.pk}/device", {**old, "password": SECRET})
    assert answer.status_code == 409
    assert "meanwhile" in text_of(answer)
    assert Device.objects.get().host == "192.0.2.7"


# --- passwords --------------------------------------------------------------------------------------------------------


def test_a_password_is_kept_encrypted_and_never_shown_again(
    client: Client, site: Site, manager: Person, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        camera = with_device(client, add_camera(client, camera_form(site, manager)))
        device = Device.objects.get()
        assert revealed(device.password_sealed).get_secret_value() == SECRET
        pages = [
            text_of(client.get(path))
            for path in (
                f"/cameras/{camera.pk}",
                f"/cameras/{camera.pk}/device",
                f"/cameras/{camera.pk}/device/replace",
                "/cameras",
                "/cameras.csv",
            )
        ]
    for told in (
        *pages,
        caplog.text,
        repr(device),
        repr(revealed(device.password_sealed)),
        str(CameraChange.objects.values()),
    ):
        assert "hunter2" not in told
        assert device.password_sealed not in told
    assert SECRET not in str(Device.objects.values())


def test_an_empty_password_field_keeps_the_password_and_a_tick_forgets_it(
    client: Client, site: Site, manager: Person
) -> None:
    camera = with_device(client, add_camera(client, camera_form(site, manager)))
    with_device(client, camera, password="")
    assert revealed(Device.objects.get().password_sealed).get_secret_value() == SECRET
    with_device(client, camera, password="another one")
    assert revealed(Device.objects.get().password_sealed).get_secret_value() == "another one"
    with_device(client, camera, password="", forget="on")
    assert Device.objects.get().password_sealed == ""


def test_an_address_with_a_password_in_it_is_taken_apart(client: Client, site: Site, manager: Person) -> None:
    camera = add_camera(client, camera_form(site, manager))
    url = "rtsp://operator:hunter2%26@192.0.2.7/stream1"
    with_device(client, camera, username="", password="", main_url=url, sub_url="")
    installation = Installation.objects.get()
    assert installation.streams.get().url == "rtsp://192.0.2.7/stream1"
    assert installation.device.username == "operator"
    assert revealed(installation.device.password_sealed).get_secret_value() == "hunter2&"
    assert "hunter2" not in text_of(client.get(f"/cameras/{camera.pk}/device"))


def test_a_password_is_not_in_the_form_that_comes_back_with_faults(
    client: Client, site: Site, manager: Person, caplog: pytest.LogCaptureFixture
) -> None:
    camera = add_camera(client, camera_form(site, manager))
    url = "rtsp://operator:hunter2@192.0.2.7/stream1"
    for more in (
        {"port": "99999"},
        {"username": "somebody"},
        {"host": "127.0.0.1"},
        {"sub_url": "http://a:hunter2@b/"},
    ):
        form = device_form(camera.version, **{"host": "192.0.2.7", "password": "hunter2", "main_url": url, **more})
        with caplog.at_level(logging.DEBUG):
            answer = client.post(f"/cameras/{camera.pk}/device", form)
        assert answer.status_code == 400, more
        assert "hunter2" not in text_of(answer)
        assert "hunter2" not in caplog.text


def test_attack_a_kept_password_is_not_sent_to_an_address_that_somebody_types(
    client: Client, site: Site, manager: Person
) -> None:
    camera = with_device(client, add_camera(client, camera_form(site, manager)))
    moved = {"main_url": "rtsp://198.51.100.9/stream1", "sub_url": ""}
    for host, urls in (("198.51.100.9", moved), ("192.0.2.7", {"main_url": "rtsp://192.0.2.7:9554/x", "sub_url": ""})):
        form = device_form(camera.version, host, **{"username": "admin", **urls})
        answer = client.post(f"/cameras/{camera.pk}/device", form)
        assert any("Give the password again" in each for each in faults(answer)), faults(answer)
    assert Device.objects.get().host == "192.0.2.7"


def test_attack_a_stream_at_another_host_than_its_device_is_refused(
    client: Client, site: Site, manager: Person
) -> None:
    camera = add_camera(client, camera_form(site, manager))
    form = device_form(camera.version, "192.0.2.7", password=SECRET, main_url="rtsp://198.51.100.9/stream1")
    answer = client.post(f"/cameras/{camera.pk}/device", form)
    assert any("leads to 198.51.100.9" in each for each in faults(answer))


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "0x7f000001", "[::ffff:127.0.0.1]", "localhost"])
def test_attack_a_camera_at_loopback_or_metadata_addresses_is_refused(
    client: Client, site: Site, manager: Person, host: str
) -> None:
    camera = add_camera(client, camera_form(site, manager))
    answer = client.post(f"/cameras/{camera.pk}/device", device_form(camera.version, host))
    assert answer.status_code == 400
    assert 'href="#id_host"' in text_of(answer)
    assert not Device.objects.exists()


def test_a_password_that_was_encrypted_with_another_key_says_so() -> None:
    with pytest.raises(CorruptError, match="another key"):
        revealed("gAAAAA" + sealed("x")[6:][::-1])


# --- who may ----------------------------------------------------------------------------------------------------------

ACTS = ("change", "live", "off", "retire", "device", "device/replace")


@pytest.mark.parametrize("act", ACTS)
def test_attack_no_camera_of_another_group_is_changed(act: str, site: Site) -> None:
    theirs = camera_at(site_in("Leisure", "Swimming Pool"), "cash-desk")
    client = signed_in(person_with(Action.CHANGE_CAMERAS, Action.LIVE, group=site.group))
    assert client.post(f"/cameras/{theirs.pk}/{act}", {}).status_code == 404
    assert client.post(f"/cameras/{uuid.uuid4()}/{act}", {}).status_code == 404
    theirs.refresh_from_db()
    assert (theirs.state, theirs.version) == (Camera.State.DRAFT, 0)


@pytest.mark.parametrize("act", ACTS)
def test_who_may_look_at_a_camera_may_not_change_it(act: str, site: Site) -> None:
    camera = camera_at(site, "door")
    watcher = person_with(Action.LIVE, group=site.group)
    assert signed_in(watcher).post(f"/cameras/{camera.pk}/{act}", {}).status_code == 403
    other = SiteGroup.objects.create(name="Leisure")
    both = person_with(Action.LIVE, name="Sam Hill", group=site.group)
    both.appointments.create(
        role=person_with(Action.CHANGE_CAMERAS, name="Jo Moor").appointments.get().role, group=other
    )
    assert signed_in(both).post(f"/cameras/{camera.pk}/{act}", {}).status_code == 403


def test_attack_a_camera_is_not_moved_to_or_from_a_site_of_others(site: Site, manager: Person) -> None:
    theirs = site_in("Leisure", "Swimming Pool")
    client = signed_in(person_with(Action.CHANGE_CAMERAS, name="Sam Hill", group=site.group))
    camera = camera_at(site, "door")
    answer = client.post(f"/cameras/{camera.pk}/change", camera_form(theirs, manager, version="0"))
    assert answer.status_code == 400
    assert client.post("/cameras/add", camera_form(theirs, manager)).status_code == 400
    camera.refresh_from_db()
    assert camera.site == site


def test_addresses_of_devices_are_shown_to_who_works_on_them(client: Client, site: Site, manager: Person) -> None:
    camera = with_device(client, add_camera(client, camera_form(site, manager)))
    seen = {
        action: "192.0.2.7" in text_of(signed_in(person_with(action, name=f"P {action}")).get(f"/cameras/{camera.pk}"))
        for action in (Action.LIVE, Action.READ_LEDGER, Action.INSPECT, Action.CHANGE_CAMERAS)
    }
    assert seen == {
        Action.LIVE: False,
        Action.READ_LEDGER: False,
        Action.INSPECT: True,
        Action.CHANGE_CAMERAS: True,
    }


def test_attack_names_that_are_markup_stay_words(client: Client) -> None:
    evil = "<script>alert(1)</script>'\"{{7*7}}"
    person = person_with(Action.CHANGE_CAMERAS, name="Eve")
    Person.objects.filter(pk=person.pk).update(name=evil)
    site = site_in(f"G{evil}", f"S{evil}")
    camera = add_camera(client, camera_form(site, person, f"C{evil}", purpose=evil, location=evil))
    with_device(client, camera)
    Device.objects.update(maker=evil, model=evil, firmware=evil, serial_number=evil, username=evil)
    paths = ("", "/change", "/device", "/retire")
    pages = [text_of(client.get(f"/cameras/{camera.pk}{path}")) for path in paths]
    pages += [text_of(client.get(path)) for path in ("/cameras", "/sites", f"/sites/{site.pk}/change", "/cameras/add")]
    for page in pages:
        assert "<script>alert" not in page
        assert "49" not in page.replace("2049", "").replace(str(camera.pk), "") or "{{7*7}}" in page
    assert WHY["purpose"] not in pages[0]


def test_state_is_changed_by_post_alone(client: Client, site: Site) -> None:
    camera = camera_at(site, "door")
    assert client.get(f"/cameras/{camera.pk}/live").status_code == 405
    assert client.get(f"/cameras/{camera.pk}/off").status_code == 405
    assert client.get(f"/cameras/{camera.pk}/retire").status_code == 200
    camera.refresh_from_db()
    assert camera.state == Camera.State.DRAFT


def test_attack_a_form_without_its_token_changes_nothing(site: Site, manager: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.defaults["wsgi.url_scheme"] = "https"
    client.force_login(manager)
    assert client.post("/cameras/add", camera_form(site, manager)).status_code == 403
    assert Camera.objects.count() == 0
