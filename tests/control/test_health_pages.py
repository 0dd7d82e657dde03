"""Pages and API of health: what they say, to whom, and what no name can do to them."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.utils import timezone

from control_rig import camera_at, person_with, signed_in, site_in
from overt.control.estate.models import Camera, Site
from overt.control.health.models import AlertRule, Assigned, Condition, Gap, Message, Recorder, StreamNow
from overt.control.people.actions import Action

pytestmark = pytest.mark.django_db
SEEING = (Action.LIVE, Action.CHANGE_CAMERAS, Action.INSPECT, Action.PLAN, Action.READ_LEDGER)
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"{{ 7*7 }}"
SUMMARY = {
    "started": "2026-11-24T08:00:00Z",
    "revision": 3,
    "level": "ok",
    "cameras": 2,
    "recorded": 2,
    "disks": [{"location": "/srv/footage", "state": "ok", "free_bytes": 25, "total_bytes": 100}],
    "workers": 1,
    "media": "running",
}


@pytest.fixture
def market() -> Camera:
    return camera_at(site_in(), state="recording", name="Market entrance")


@pytest.fixture
def library() -> Camera:
    return camera_at(site_in("Parks", "Library"), "library", state="recording", name="Library foyer")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder.objects.create(name="local", heard_at=timezone.now(), summary=SUMMARY)


def wrong(camera: Camera | None, **fields: Any) -> Condition:
    values = {"kind": "camera-lost", "severity": "urgent", "title": "Something is lost", "words": "It is gone."}
    values |= {"subject": f"camera:{camera.key}", "camera": camera.key} if camera else {"subject": "recorder:local"}
    return Condition.objects.create(since=timezone.now(), **(values | fields))


def page(path: str, *actions: Action, status: int = 200, **who: Any) -> str:
    answer = signed_in(person_with(*(actions or (Action.LIVE,)), **who)).get(path, secure=True)
    assert answer.status_code == status, answer.content.decode()[-2000:]
    return answer.content.decode()


def rule(**fields: Any) -> AlertRule:
    values = {"name": "Duty", "channel": "email", "shown": "duty@northshire.example", "address_sealed": "x"}
    return AlertRule.objects.create(**(values | fields))


class Acting(HTMLParser):
    """Collects what would act in a browser, and what only names or reasons could have brought into a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "img" or (tag == "script" and not (named.get("src") or "").startswith("/static/")):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in named if name.startswith("on") or name == "style"]


def acting(page: str) -> list[str]:
    parser = Acting()
    parser.feed(page)
    return parser.found


# --- what is wrong now ------------------------------------------------------------------------------------------------


def test_where_nothing_is_wrong_the_page_says_so_in_words(market: Camera, recorder: Recorder) -> None:
    told = page("/health")
    assert "All is well: 1 camera is to be recorded, and nothing is wrong." in told
    assert "75 % of 0.0 GB" in told
    assert "Not known yet: watched for less than six hours" in told


def test_before_the_recorder_was_heard_nothing_is_called_well(market: Camera) -> None:
    told = page("/health")
    assert "All is well" not in told
    assert "Nothing is known yet" in told


def test_what_is_wrong_stands_by_site_with_what_to_do(market: Camera, library: Camera, recorder: Recorder) -> None:
    wrong(market, title="Market entrance is lost")
    wrong(library, kind="camera-clock", severity="warning", title="Library foyer has a clock that is slow")
    wrong(None, kind="disk-full", title="Disk /srv is full")
    told = page("/health")
    assert "3 things are wrong; 2 of 2 cameras affected." in told
    for words in (
        "Market Hall",
        "Library",
        "Recorder",
        "Check its power and its network",
        "Give the camera a time server",
    ):
        assert words in told


def test_a_recorder_that_is_away_is_said_since_when(recorder: Recorder) -> None:
    Recorder.objects.update(away_since=dt.datetime(2026, 11, 25, 9, 30, tzinfo=dt.UTC))
    assert "The recorder has not answered since 25 November 2026, 09:30:00 GMT" in page("/health")


def test_the_part_that_changes_is_what_the_page_shows(market: Camera, recorder: Recorder) -> None:
    wrong(market)
    client = signed_in(person_with(Action.LIVE))
    whole, part = (client.get(path, secure=True).content.decode() for path in ("/health", "/health/parts"))
    assert part.strip() in whole
    assert "<html" not in part


@pytest.mark.parametrize("action", list(Action))
def test_health_is_for_those_whose_work_needs_it(action: Action, market: Camera) -> None:
    for path in ("/health", "/health/parts", f"/health/cameras/{market.pk}", "/health/uptime", "/health/uptime.csv"):
        answer = signed_in(person_with(action, name=f"P {path}")).get(path, secure=True)
        assert answer.status_code == (200 if action in SEEING else 403), path


def test_of_other_groups_nothing_is_seen(market: Camera, library: Camera, recorder: Recorder) -> None:
    wrong(market, title="Market entrance is lost")
    wrong(library, title="Library foyer is lost")
    wrong(
        None, kind="assignment-refused", subject="recorder:other", title="Refused", words="Library foyer has no address"
    )
    wrong(None, kind="disk-full", title="Disk full")
    who = {"group": market.site.group}
    for number, path in enumerate(("/health", "/health/uptime", "/health/uptime.csv", "/health/parts")):
        told = page(path, name=f"Somebody {number}", **who)
        assert "Market entrance" in told
        assert "Library" not in told, path
    assert "Disk full" in page("/health", name="Sam Hill", **who)
    page(f"/health/cameras/{library.pk}", status=404, name="Ann Lee", **who)
    page(f"/health/uptime?site={library.site.pk}", status=404, name="Jo Day", **who)


def test_no_name_and_no_reason_becomes_markup(recorder: Recorder) -> None:
    site = Site.objects.create(name=NASTY, group=site_in().group)
    camera = camera_at(site, "nasty", name=NASTY, state="recording")
    wrong(camera, title=f"{NASTY} is lost", words=NASTY)
    wrong(None, title=NASTY, words=NASTY)
    now = timezone.now()
    Gap.objects.create(camera="nasty", stream="main", cause="camera", reason=NASTY, start=now)
    StreamNow.objects.create(camera="nasty", stream="main", state="refused", reason=NASTY, since=now)
    Assigned.objects.create(camera="nasty", since=now - dt.timedelta(hours=3))
    Recorder.objects.update(summary=SUMMARY | {"disks": [{"location": NASTY, "state": "ok", "total_bytes": 9}]})
    made = rule(name=NASTY, shown=NASTY)
    Message.objects.create(rule=made, made_at=now, subject=NASTY, body=NASTY, failure=NASTY)
    client = signed_in(person_with(*Action))
    for path in (
        "/health",
        "/health/parts",
        f"/health/cameras/{camera.pk}",
        "/health/uptime",
        "/health/alerts",
        f"/health/alerts/{made.pk}",
        f"/health/alerts/{made.pk}/delete",
    ):
        answer = client.get(path, secure=True)
        told = answer.content.decode()
        assert answer.status_code == 200, path
        assert "&lt;script&gt;alert(1)" in told, path
        assert acting(told) == [], path


# --- one camera, uptime -----------------------------------------------------------------------------------------------


def test_a_camera_shows_its_gaps_of_the_last_days(market: Camera, recorder: Recorder) -> None:
    now = timezone.now()
    Assigned.objects.create(camera="market", since=now - dt.timedelta(days=60))
    Gap.objects.create(camera="market", stream="main", cause="network", start=now - dt.timedelta(hours=1))
    Gap.objects.create(
        camera="market", stream="main", cause="disk", start=now - dt.timedelta(days=50), end=now - dt.timedelta(days=49)
    )
    told = page(f"/health/cameras/{market.pk}")
    assert "It lasts" in told
    assert "network" in told
    assert "disk" not in told
    assert re.search(r"Recorded for <strong>99\.\d\d %</strong>", told)


def test_uptime_of_a_month_is_a_table_and_a_file(market: Camera, recorder: Recorder) -> None:
    begin = timezone.make_aware(dt.datetime.combine(timezone.localdate().replace(day=1), dt.time()))
    month = (begin - dt.timedelta(days=2)).replace(day=1, hour=12)
    Assigned.objects.create(camera="market", since=month)
    Gap.objects.create(camera="market", stream="main", cause="network", start=month, end=month + dt.timedelta(hours=12))
    asked = f"?month={month:%Y-%m}"
    told = page(f"/health/uptime{asked}")
    assert "Market entrance" in told
    rows = list(csv.DictReader(io.StringIO(page(f"/health/uptime.csv{asked}", name="Sam Hill"))))
    assert rows[0]["day"] == f"{month:%Y-%m}-01"
    assert [row["recorded"] for row in rows[:2]] == ["Not recorded", "Recorded"]
    assert {row["camera"] for row in rows} == {"Market entrance"}


def test_no_name_becomes_a_formula_in_the_file(recorder: Recorder) -> None:
    camera_at(site_in(), "a", name='=HYPERLINK("https://thief.example")', state="recording")
    rows = list(csv.DictReader(io.StringIO(page("/health/uptime.csv"))))
    assert rows[0]["camera"].startswith("'=")


@pytest.mark.parametrize(
    "query", ["month=nonsense", "month=9999-12", "month=0001-01", "month=2026-13", "page=-1", "page=x"]
)
def test_a_month_that_is_none_is_this_month(query: str, market: Camera) -> None:
    assert timezone.localdate().strftime("%B %Y") in page(f"/health/uptime?{query}")


@pytest.mark.parametrize("site", ["x", "-1", "99999", "9" * 40, "1 OR 1"])
def test_a_site_that_is_none_is_not_found(site: str) -> None:
    page(f"/health/uptime?site={site}", status=404)


# --- alert rules ------------------------------------------------------------------------------------------------------

FORM = {
    "name": "Duty technician",
    "channel": "email",
    "address": "duty@northshire.example",
    "secret": "",
    "severity": "warning",
    "group": "",
    "delay_s": "60",
    "repeat_hours": "",
    "enabled": "on",
}


def test_a_rule_is_added_tried_changed_and_deleted(mailoutbox: list[Any]) -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    assert '<option value="warning" selected' in client.get("/health/alerts/new", secure=True).content.decode()
    answer = client.post("/health/alerts/new", FORM | {"kinds": ["camera-lost"]}, secure=True, follow=True)
    assert "The rule “Duty technician” was saved" in answer.content.decode()
    made = AlertRule.objects.get()
    assert (made.kinds, made.shown, made.delay_s, made.enabled) == (
        ["camera-lost"],
        "duty@northshire.example",
        60,
        True,
    )
    assert "duty@" not in made.address_sealed
    answer = client.post(f"/health/alerts/{made.pk}/test", secure=True, follow=True)
    assert "was sent to duty@northshire.example" in answer.content.decode()
    assert len(mailoutbox) == 1
    change = FORM | {"address": "", "delay_s": "5", "version": "1"}
    assert client.post(f"/health/alerts/{made.pk}", change, secure=True).status_code == 302
    assert AlertRule.objects.get().delay_s == 5
    assert client.get(f"/health/alerts/{made.pk}/delete", secure=True).status_code == 200
    assert AlertRule.objects.exists()
    client.post(f"/health/alerts/{made.pk}/delete", secure=True)
    assert not AlertRule.objects.exists()


def test_what_is_wrong_with_a_form_is_said_beside_its_field_and_nothing_is_saved() -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    answer = client.post("/health/alerts/new", FORM | {"name": "", "address": "nobody", "delay_s": "-1"}, secure=True)
    told = answer.content.decode()
    assert answer.status_code == 422
    for words in ("Enter a name.", "is no e-mail address", 'href="#address"', "<title>Error: "):
        assert words in told
    assert not AlertRule.objects.exists()


def test_a_secret_is_never_shown_again() -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    form = FORM | {"channel": "webhook", "address": "https://hooks.example.org/T0/topsecret", "secret": "hushhush"}
    client.post("/health/alerts/new", form, secure=True)
    made = AlertRule.objects.get()
    for path in ("/health/alerts", f"/health/alerts/{made.pk}", "/api/v1/health/rules"):
        told = client.get(path, secure=True).content.decode()
        assert "hooks.example.org" in told, path
        assert "topsecret" not in told, path
        assert "hushhush" not in told, path
    wrong_form = client.post("/health/alerts/new", form | {"name": ""}, secure=True).content.decode()
    assert "hushhush" not in wrong_form


def test_of_two_who_save_one_form_the_second_is_told() -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    client.post("/health/alerts/new", FORM, secure=True)
    made = AlertRule.objects.get()
    client.post(f"/health/alerts/{made.pk}", FORM | {"version": "1", "delay_s": "9"}, secure=True)
    answer = client.post(f"/health/alerts/{made.pk}", FORM | {"version": "1", "delay_s": "8"}, secure=True)
    assert answer.status_code == 409
    assert "Somebody else has changed this rule" in answer.content.decode()
    assert AlertRule.objects.get().delay_s == 9


def test_rules_are_for_those_who_change_cameras_there(market: Camera, library: Camera) -> None:
    theirs, all_of_them = rule(name="Parks", group=library.site.group), rule(name="Everything")
    own = rule(name="Ours", group=market.site.group)
    client = signed_in(person_with(Action.CHANGE_CAMERAS, group=market.site.group))
    told = client.get("/health/alerts", secure=True).content.decode()
    assert "Ours" in told
    assert "Parks" not in told
    assert "Everything" not in told
    for other in (theirs, all_of_them):
        for answer in (
            client.get(f"/health/alerts/{other.pk}", secure=True),
            client.post(f"/health/alerts/{other.pk}", FORM, secure=True),
            client.post(f"/health/alerts/{other.pk}/delete", secure=True),
            client.post(f"/health/alerts/{other.pk}/test", secure=True),
        ):
            assert answer.status_code == 404
    for group in ("", str(library.site.group.pk)):
        answer = client.post(f"/health/alerts/{own.pk}", FORM | {"group": group, "version": "0"}, secure=True)
        assert answer.status_code == 422
    assert set(AlertRule.objects.values_list("group", flat=True)) == {
        None,
        market.site.group.pk,
        library.site.group.pk,
    }


def test_who_may_only_look_reaches_no_rule() -> None:
    made = rule()
    client = signed_in(person_with(Action.LIVE, Action.INSPECT))
    for path in ("/health/alerts", "/health/alerts/new", f"/health/alerts/{made.pk}", "/api/v1/health/rules"):
        assert client.get(path, secure=True).status_code == 403
    assert "Alerts: who is told" not in client.get("/health", secure=True).content.decode()


def test_a_test_message_is_sent_by_a_form_alone() -> None:
    made = rule()
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    assert client.get(f"/health/alerts/{made.pk}/test", secure=True).status_code == 405
    client.handler.enforce_csrf_checks = True
    assert client.post(f"/health/alerts/{made.pk}/test", secure=True).status_code == 403
    assert not Message.objects.exists()


# --- API --------------------------------------------------------------------------------------------------------------


def test_the_api_tells_what_the_pages_do(market: Camera, library: Camera, recorder: Recorder) -> None:
    wrong(market)
    wrong(library)
    client = signed_in(person_with(Action.LIVE, group=market.site.group))
    told = client.get("/api/v1/health/conditions", secure=True).json()
    assert (told["total"], told["items"][0]["camera"]) == (1, "market")
    assert told["items"][0]["advice"].startswith("Check its power")
    found = client.get("/api/v1/health/uptime", secure=True).json()
    assert (found["total"], found["items"][0]["name"]) == (1, "Market entrance")
    assert client.get(f"/api/v1/health/uptime?site={library.site.pk}", secure=True).json()["total"] == 0


def test_rules_are_made_and_changed_by_the_api(market: Camera) -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS, group=market.site.group))
    told = {"name": "Hook", "channel": "webhook", "address": "https://example.org/a/topsecret"}
    assert client.post("/api/v1/health/rules", told, "application/json", secure=True).status_code == 403
    told["group"] = market.site.group.pk
    made = client.post("/api/v1/health/rules", told, "application/json", secure=True)
    assert made.status_code == 201
    assert "topsecret" not in made.content.decode()
    path = f"/api/v1/health/rules/{made.json()['id']}"
    change = {"name": "Hook", "channel": "webhook", "group": told["group"], "delay_s": 9, "version": 1}
    assert client.put(path, change, "application/json", secure=True).json()["delay_s"] == 9
    assert client.put(path, change, "application/json", secure=True).status_code == 409
    for wrong_fields in ({"kinds": ["nonsense"]}, {"channel": "pigeon"}, {"address": "nonsense"}, {"name": "a\nb"}):
        answer = client.put(path, change | {"version": 2} | wrong_fields, "application/json", secure=True)
        assert answer.status_code == 400, wrong_fields
    assert client.delete(path, secure=True).status_code == 204
    assert client.get("/api/v1/health/rules", secure=True).json() == []
