"""What pages ask of the control room without being loaded anew, and who may."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from control_rig import browser, camera_at, person_with, signed_in, site_in
from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.people.models import Person, SiteGroup
from overt.control.viewing import calls, holding
from overt.control.viewing.grants import Holder
from overt.control.viewing.models import Layout, Tour
from viewing_rig import DIGEST, FakeCustody, FakeMedia, HandClock, held_by

pytestmark = pytest.mark.django_db
BINDING = base64.urlsafe_b64encode(DIGEST).rstrip(b"=").decode()
XSS = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(name="media")
def _media(monkeypatch: pytest.MonkeyPatch) -> FakeMedia:
    media, custody = FakeMedia(), FakeCustody()
    holder: Holder = held_by(media, custody, HandClock())
    monkeypatch.setattr(calls, "holder", lambda: holder)
    monkeypatch.setattr(calls, "custody", lambda: custody)
    monkeypatch.setattr(holding, "holder", lambda: holder)
    return media


@pytest.fixture(name="town")
def _town() -> SiteGroup:
    site = site_in()
    camera_at(site, "market", name=XSS, state=Camera.State.RECORDING)
    camera_at(site_in("Libraries", "Central Library"), "foyer", state=Camera.State.RECORDING)
    return site.group


def post(client: Client, path: str, body: object = None, **more: Any) -> Any:
    return client.post(path, json.dumps(body or {}), content_type="application/json", secure=True, **more)


def operator(group: SiteGroup, name: str = "Olive Operator") -> Client:
    return signed_in(person_with(Action.LIVE, Action.REPLAY, group=group, name=name))


def wanted(*live: str) -> dict[str, Any]:
    return {"live": list(live), "secret_sha256": BINDING}


def test_a_page_gets_a_grant_and_is_told_where_the_recorder_is(media: FakeMedia, town: SiteGroup) -> None:
    answer = post(operator(town), "/viewing/grants", wanted("market"))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["live"], told["replay"], told["refused"], told["media_port"]) == (["market"], [], [], 8444)
    assert len(media.given) == 1
    assert answer["cache-control"] == "no-store"


def test_the_catalogue_has_what_somebody_may_look_at(media: FakeMedia, town: SiteGroup) -> None:
    told = operator(town).get("/viewing/catalogue", secure=True)
    assert [row[0] for row in told.json()["cameras"]] == ["market"]
    assert told.json()["cameras"][0][5] == "lp"
    assert told["content-type"] == "application/json"
    assert "foyer" not in told.content.decode()


@pytest.mark.parametrize("page", ["/wall", "/review?camera=market"])
def test_pages_are_empty_of_names(media: FakeMedia, town: SiteGroup, page: str) -> None:
    answer = operator(town).get(page, secure=True)
    assert answer.status_code == 200
    assert "onerror" not in answer.content.decode()
    assert "csrf-token" in answer.content.decode()


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_a_camera_of_another_group_is_refused(media: FakeMedia, town: SiteGroup) -> None:
    answer = post(operator(town), "/viewing/grants", wanted("foyer"))
    assert answer.status_code == 403
    there = answer.json()["error"]["message"]
    nowhere = post(operator(town, "Otto Other"), "/viewing/grants", wanted("nowhere")).json()["error"]["message"]
    assert there.replace("foyer", "nowhere") == nowhere
    assert media.given == {}


def test_without_the_token_against_forged_requests_nothing_is_given(media: FakeMedia, town: SiteGroup) -> None:
    person = person_with(Action.LIVE, group=town)
    client = browser(enforce_csrf_checks=True)
    client.cookies = signed_in(person).cookies
    answer = post(client, "/viewing/grants", wanted("market"))
    assert answer.status_code == 403
    assert media.given == {}


def test_a_stolen_cookie_is_worth_nothing_after_sign_out(media: FakeMedia, town: SiteGroup) -> None:
    client = operator(town)
    given = post(client, "/viewing/grants", wanted("market")).json()
    thief = browser()
    thief.cookies["overt_session"] = client.cookies["overt_session"].value
    assert post(thief, f"/viewing/grants/{given['id']}/heartbeat").status_code == 200
    client.post("/sign-out", secure=True)
    assert [str(each) for each in media.revoked] == [given["id"]]
    for path in ("/viewing/grants", f"/viewing/grants/{given['id']}/heartbeat"):
        answer = post(thief, path, wanted("market"))
        assert answer.status_code == 302
        assert answer["location"].startswith("/sign-in")


def test_the_heartbeat_of_anothers_grant(media: FakeMedia, town: SiteGroup) -> None:
    given = post(operator(town), "/viewing/grants", wanted("market")).json()
    mallory = operator(town, "Mallory Other")
    for path in ("heartbeat", "close"):
        assert post(mallory, f"/viewing/grants/{given['id']}/{path}").status_code in {204, 404}
    answer = post(mallory, f"/viewing/grants/{given['id']}/heartbeat")
    assert answer.status_code == 404
    assert "eyJ" not in answer.content.decode()
    assert media.revoked == []
    assert post(mallory, f"/viewing/grants/{uuid4()}/heartbeat").json() == answer.json()


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        '{"live": ["market"]}',
        '{"live": ["market"], "secret_sha256": "short"}',
        '{"live": [1], "secret_sha256": "' + BINDING + '"}',
        '{"live": ["market"], "secret_sha256": "' + BINDING + '", "more": 1}',
        '{"live": ["market"], "secret_sha256": "' + "=" * 43 + '"}',
        '{"recorded": {"cameras": ["market"], "from_us": -1, "to_us": 5}, "secret_sha256": "' + BINDING + '"}',
        '{"recorded": {"cameras": ["market"], "from_us": 1e30, "to_us": 5}, "secret_sha256": "' + BINDING + '"}',
    ],
)
def test_what_is_no_wish_is_refused_with_words(media: FakeMedia, town: SiteGroup, body: str) -> None:
    answer = operator(town).post("/viewing/grants", body, content_type="application/json", secure=True)
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "invalid"


def test_who_may_not_export_saves_no_clip(media: FakeMedia, town: SiteGroup) -> None:
    client = operator(town)
    given = post(client, "/viewing/grants", wanted("market")).json()
    body = {"cameras": ["market"], "from_us": 1, "to_us": 2}
    assert post(client, f"/viewing/grants/{given['id']}/clips", body).status_code == 403


# --- layouts and tours ------------------------------------------------------------------------------------------------


def layout(client: Client, name: str = "Mornings", **more: object) -> Any:
    return post(client, "/viewing/layouts", {"name": name, "tiles": 4, "cells": ["market", None], **more})


def test_layouts_are_saved_shared_and_kept_apart(media: FakeMedia, town: SiteGroup) -> None:
    olive, otto = operator(town), operator(town, "Otto Other")
    mine = layout(olive).json()
    shared = layout(olive, "For all", group=town.pk).json()
    seen = otto.get("/viewing/catalogue", secure=True).json()["layouts"]
    assert [(each["id"], each["mine"], each["owner"]) for each in seen] == [(shared["id"], False, "Olive Operator")]
    assert post(otto, f"/viewing/layouts/{shared['id']}/remove").status_code == 404
    assert post(otto, f"/viewing/layouts/{mine['id']}/remove").status_code == 404
    assert Layout.objects.count() == 2
    assert post(olive, f"/viewing/layouts/{mine['id']}/remove").status_code == 204
    assert Layout.objects.count() == 1


def test_a_layout_of_the_same_name_is_replaced(media: FakeMedia, town: SiteGroup) -> None:
    olive = operator(town)
    first, second = layout(olive).json(), layout(olive, cells=[]).json()
    assert first["id"] == second["id"]
    assert second["cells"] == []


def test_cameras_that_somebody_may_not_see_are_left_out_of_a_shared_layout(media: FakeMedia, town: SiteGroup) -> None:
    manager = signed_in(person_with(Action.LIVE, name="Max Manager"))
    layout(manager, cells=["foyer", "market"], group=town.pk)
    [seen] = operator(town).get("/viewing/catalogue", secure=True).json()["layouts"]
    assert seen["cells"] == [None, "market"]


def test_sharing_with_a_group_of_others_is_refused(media: FakeMedia, town: SiteGroup) -> None:
    libraries = SiteGroup.objects.get(name="Libraries")
    assert layout(operator(town), group=libraries.pk).status_code == 403
    assert Layout.objects.count() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"tiles": 5},
        {"tiles": 1, "cells": ["market", "foyer"]},
        {"cells": ["market", "market"]},
        {"name": " "},
        {"name": "a\nb"},
        {"name": "x" * 121},
    ],
)
def test_layouts_that_contradict_themselves(media: FakeMedia, town: SiteGroup, wrong: dict[str, object]) -> None:
    body = {"name": "Mornings", "tiles": 4, "cells": [], **wrong}
    assert post(operator(town), "/viewing/layouts", body).status_code == 400
    assert Layout.objects.count() == 0


def test_tours_show_layouts_that_their_viewers_may_show(media: FakeMedia, town: SiteGroup) -> None:
    olive, otto = operator(town), operator(town, "Otto Other")
    private, shared = layout(olive).json()["id"], layout(olive, "For all", group=town.pk).json()["id"]
    steps = [{"layout": private, "seconds": 10}, {"layout": shared, "seconds": 20}]
    assert post(otto, "/viewing/tours", {"name": "Round", "steps": steps}).status_code == 400
    assert post(olive, "/viewing/tours", {"name": "Round", "steps": steps, "group": town.pk}).status_code == 400
    made = post(olive, "/viewing/tours", {"name": "Round", "steps": steps})
    assert made.json()["steps"] == steps
    assert otto.get("/viewing/catalogue", secure=True).json()["tours"] == []
    assert post(otto, f"/viewing/tours/{made.json()['id']}/remove").status_code == 404
    assert post(olive, f"/viewing/layouts/{private}/remove").status_code == 204
    [left] = olive.get("/viewing/catalogue", secure=True).json()["tours"]
    assert [step["layout"] for step in left["steps"]] == [shared]
    assert post(olive, f"/viewing/tours/{made.json()['id']}/remove").status_code == 204
    assert not Tour.objects.exists()


def test_nobody_unknown_asks_anything(media: FakeMedia, town: SiteGroup) -> None:
    assert post(browser(), "/viewing/grants", wanted("market")).status_code == 302
    nobody = signed_in(person_with(Action.PLAN, name="Nadia Nobody"))
    assert post(nobody, "/viewing/grants", wanted("market")).status_code == 403
    assert Person.objects.count() == 1
