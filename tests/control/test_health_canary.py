"""The canary: footage that is sealed to another key than the site's is said, and so is footage that does not open."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.utils import timezone

from acts_rig import Written
from control_rig import camera_at, person_with, signed_in, site_in
from health_rig import read_until, report, standing, stream
from overt.contract.grant import to_text
from overt.contract.socket_client import SocketClient
from overt.control.health import canary as canaries
from overt.control.health.alerting import speak
from overt.control.health.canary import Canary, CanaryState
from overt.control.health.models import AlertRule, Message, Recorder
from overt.control.health.reading import Reading
from overt.control.health.rules import save_rule
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.control.viewing.custody import Custody
from overt.errors import UnavailableError
from overt.ids import StreamKey
from overt.sealing.custody import create_key_file
from overt.sealing.recipients_file import read_recipients, replace_recipients
from overt.sealing.roles import Recipient, Recipients, RoleKey
from overt.sealing.wraps import begin_period
from recorder_rig import PASSPHRASE, addresses, cameras, make_site
from recorder_rig import Recorder as RunningRecorder

pytestmark = pytest.mark.django_db
SITE = uuid4()
LONG_AGO = 1_700_000_000
ALL = Rights(frozenset({Action.CHANGE_CAMERAS}))


def role(name: str = "custodian") -> RoleKey:
    return RoleKey(SITE, "Town Hall", name, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), X25519PrivateKey.generate())


def recipients(*roles: RoleKey) -> Recipients:
    return Recipients(SITE, "Town Hall", tuple(each.recipient for each in roles))


OURS, THEIRS, WITNESS = role(), role(), role("witness")


@dataclass
class Told:
    """A recorder that says whom it seals to, and has wraps."""

    sealing: Recipients
    wraps: list[tuple[str, str, bytes]] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    cameras: Sequence[str] = ("market", "street")
    away: bool = False

    def get(self, path: str) -> Any:
        if self.away:
            raise UnavailableError("no recorder answers")
        if path == "/health":
            return self.report().model_dump(mode="json")
        if path.startswith("/facts"):
            return {"facts": [], "next": 0}
        named = parse_qs(urlsplit(path).query)["camera"]
        self.asked.append(named)
        return [
            {"period": period, "camera": camera, "stream": "main", "wrap": to_text(wrap)}
            for camera, period, wrap in self.wraps
            if camera in named
        ]

    def report(self) -> Any:
        roles = [
            {"role": each.role, "key_id": each.key_id, "public_key": each.public_key.hex()}
            for each in self.sealing.recipients
        ]
        sealing = {"policy": self.sealing.policy, "roles": roles, "since": "2026-11-28T10:00:00Z"}
        return report(*(stream(each) for each in self.cameras), sealing=sealing)

    def record(self, camera: str, to: Recipients) -> None:
        _, wrapped = begin_period(to, StreamKey(camera))
        self.wraps.append((camera, str(wrapped.period_id), wrapped.encode()))


@dataclass
class Held:
    """Private keys in memory."""

    custody: Custody

    @classmethod
    def of(cls, folder: Path, *keys: RoleKey) -> Held:
        held = Custody(folder, folder / "none.sock")
        held._key = keys[0] if keys else None
        return cls(held)


def give(data: Path, wanted: Recipients, at: float = LONG_AGO) -> None:
    """Write whom the control room wants footage sealed to, so long ago."""
    replace_recipients(data / "recipients.json", wanted)
    os.utime(data / "recipients.json", (at, at))


@pytest.fixture(name="told")
def _told() -> Told:
    told = Told(recipients(OURS))
    told.record("market", recipients(OURS))
    told.record("street", recipients(OURS))
    return told


@pytest.fixture(name="data")
def _data(tmp_path: Path) -> Path:
    give(tmp_path, recipients(OURS))
    return tmp_path


def canary_of(told: Told, data: Path, *held: RoleKey) -> Canary:
    keys = Held.of(data, *held).custody
    return Canary(told, data, lambda: keys)  # type: ignore[arg-type]


def reading_of(told: Told, data: Path, *held: RoleKey) -> Reading:
    reading = Reading(told)  # type: ignore[arg-type]
    reading._canary = canary_of(told, data, *held)
    return reading


def said() -> dict[str, str]:
    """What stands about keys: title and words by kind."""
    kinds = {"sealed-to-others", "keys-refused", "footage-not-opened"}
    return {kind: f"{row.title}. {row.words}" for (kind, _), row in standing().items() if kind in kinds}


def later(canary: Canary, told: Told, now: dt.datetime, seconds: float = 61) -> dt.datetime:
    """Look again when every camera is due once more; return when."""
    now += dt.timedelta(seconds=seconds)
    canary.look(told.report(), now)
    return now


# --- whom footage is sealed to ----------------------------------------------------------------------------------------


def test_what_agrees_is_not_worth_a_word(told: Told, data: Path) -> None:
    reading_of(told, data, OURS).round()
    assert said() == {}
    assert sorted(told.asked[0]) == ["market", "street"]


def test_keys_that_were_swapped_at_the_recorder_are_said_with_key_and_camera_and_said_to_be_over(
    told: Told, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera_at(site_in(), "market", name="Market entrance", state="recording")
    save_rule(AlertRule(name="Duty", channel="email", delay_s=0), ALL, address="duty@northshire.example", secret=None)
    told.sealing = recipients(THEIRS)
    told.wraps.clear()
    told.record("market", recipients(THEIRS))
    told.record("street", recipients(OURS))
    reading = reading_of(told, data)
    reading.round()
    words = said()["sealed-to-others"]
    assert words.startswith(f"Footage is being sealed to a key that is not the site’s: {THEIRS.key_id}. ")
    assert f"The site’s is key {OURS.key_id} (custodian)." in words
    assert words.endswith("Cameras: Market entrance.")
    assert standing()["sealed-to-others", "recorder:local"].severity == "urgent"
    assert speak(timezone.now()) == 1
    assert THEIRS.key_id in Message.objects.latest("pk").subject

    told.sealing = recipients(OURS)
    told.wraps.clear()
    told.record("market", recipients(OURS))
    monkeypatch.setattr(canaries, "EVERY", dt.timedelta(0))
    reading.round()
    assert said() == {}
    assert speak(timezone.now()) == 1
    assert Message.objects.latest("pk").subject.startswith("Over: Footage is being sealed")


def test_a_recorder_that_says_the_right_keys_is_not_believed_over_its_wraps(told: Told, data: Path) -> None:
    told.record("street", recipients(THEIRS))
    found = canary_of(told, data).look(told.report(), timezone.now()).foreign
    assert found is not None
    assert (found.strangers, found.cameras) == ((THEIRS.key_id,), ("street",))


def test_a_public_key_that_differs_behind_the_same_id_is_said(told: Told, data: Path) -> None:
    reported = told.report()
    twin = reported.sealing.roles[0].model_copy(update={"public_key": "00" * 32})
    sealing = reported.sealing.model_copy(update={"roles": [twin]})
    found = canary_of(told, data).look(reported.model_copy(update={"sealing": sealing}), timezone.now()).foreign
    assert found is not None
    assert (found.same_ids, found.strangers) == (True, (OURS.key_id,))


def test_one_role_where_the_policy_names_two_is_said(told: Told, data: Path) -> None:
    give(data, recipients(OURS, WITNESS))
    reading_of(told, data).round()
    words = said()["sealed-to-others"]
    assert words.startswith("Footage is not being sealed to the keys that the site’s policy names. ")
    assert f"The site’s is key {OURS.key_id} (custodian) and key {WITNESS.key_id} (witness)." in words
    assert words.endswith("Cameras: market, street.")


def test_a_change_is_given_time_and_what_stood_before_stands_meanwhile(told: Told, data: Path) -> None:
    now = timezone.now()
    canary = canary_of(told, data)
    assert canary.look(told.report(), now).foreign is None
    give(data, recipients(THEIRS), at=LONG_AGO - 1000)  # its date is not believed: the content is new
    assert canary.look(told.report(), now + dt.timedelta(seconds=3)).foreign is None
    found = canary.look(told.report(), now + dt.timedelta(seconds=64)).foreign
    assert found is not None
    assert found.strangers == (OURS.key_id,)
    give(data, recipients(OURS))
    still = canary.look(told.report(), now + dt.timedelta(seconds=67)).foreign
    assert still == found
    assert canary.look(told.report(), now + dt.timedelta(seconds=130)).foreign is None


def test_only_footage_from_after_the_change_is_asked_for(told: Told, data: Path) -> None:
    now = timezone.now()
    give(data, recipients(OURS), at=now.timestamp() - 70)
    spans: list[tuple[int, int]] = []
    get = told.get

    def watched(path: str) -> Any:
        asked = parse_qs(urlsplit(path).query)
        spans.append((int(asked["from_us"][0]), int(asked["to_us"][0])))
        return get(path)

    told.get = watched  # type: ignore[method-assign]
    canary_of(told, data).look(told.report(), now)
    assert [round((end - begin) / 1e6) for begin, end in spans] == [10]


def test_thousands_of_cameras_are_looked_at_in_turn_within_a_minute(told: Told, data: Path) -> None:
    told.cameras = [f"c{number}" for number in range(2500)]
    canary, now = canary_of(told, data), timezone.now()
    canary.look(told.report(), now)
    assert len({each for asked in told.asked for each in asked}) == 2500, "all of them at first"
    told.asked.clear()
    rounds = 0
    while {each for asked in told.asked for each in asked} != set(told.cameras):
        rounds += 1
        assert rounds * 3 <= 66
        canary.look(told.report(), now + dt.timedelta(seconds=3 * rounds))
    assert max(len(asked) for asked in told.asked) <= 100


def test_a_camera_that_records_nothing_any_more_is_forgotten(told: Told, data: Path) -> None:
    told.record("street", recipients(THEIRS))
    canary, now = canary_of(told, data), timezone.now()
    assert canary.look(told.report(), now).foreign is not None
    told.wraps.clear()
    later(canary, told, now)
    assert canary._last.foreign is None


def test_the_control_rooms_own_file_is_held_against_its_key_file(told: Told, data: Path) -> None:
    made = create_key_file(data / "custodian.key", "Town Hall", PASSPHRASE).key_file
    swapped = Recipients(made.site_id, "Town Hall", (Recipient("custodian", THEIRS.public_key),))
    give(data, swapped)
    told.sealing = swapped
    told.wraps.clear()
    reading_of(told, data).round()
    words = said()["sealed-to-others"]
    assert words.startswith("The control room’s own file of public keys cannot be believed. ")
    assert THEIRS.key_id in words
    assert made.key_id in words
    (data / "recipients.json").write_bytes(b"{")
    assert "not a recipients file" in canary_of(told, data).look(told.report(), timezone.now()).own_problem


def test_keys_that_the_recorder_refused_are_said(told: Told, data: Path) -> None:
    sealing = told.report().sealing.model_copy(update={"trouble": "recipients.json: not a recipients file"})
    reported = told.report().model_copy(update={"sealing": sealing})
    told.report = lambda: reported  # type: ignore[method-assign]
    reading_of(told, data).round()
    assert said()["keys-refused"].endswith("The recorder says: recipients.json: not a recipients file.")


def test_without_keys_of_its_own_a_control_room_compares_nothing(told: Told, tmp_path: Path) -> None:
    told.sealing = recipients(THEIRS)
    reading_of(told, tmp_path).round()
    assert said() == {}
    assert told.asked == []


# --- whether footage opens --------------------------------------------------------------------------------------------


def state() -> CanaryState:
    return CanaryState.model_validate(Recorder.objects.get().canary)


def test_once_a_day_some_of_yesterday_is_opened_and_written_down(told: Told, data: Path) -> None:
    written = Written.from_now()
    reading = reading_of(told, data, OURS)
    reading.round()
    known = state()
    assert known.opened_at is not None
    assert (known.failure, known.blind, known.nothing, known.done_on) == ("", "", "", timezone.localdate())
    (leaf,) = written.bodies("key.tried")
    assert sorted(leaf["cameras"]) == ["market", "street"]
    asked = len(told.asked)
    reading.round()
    assert (len(told.asked), len(written.bodies("key.tried"))) == (asked, 1)
    tomorrow = reading._canary.attempt(known, told.report(), timezone.now() + dt.timedelta(days=1))
    assert tomorrow.opened_at is not None
    assert tomorrow.opened_at > known.opened_at
    page = signed_in(person_with(Action.LIVE)).get("/health", secure=True).content.decode()
    assert "Footage of the day before was opened last on" in page
    assert f"Footage is sealed to key {OURS.key_id} (custodian)" in page


def test_yesterday_is_midnight_to_midnight_here(settings: Any) -> None:
    begin, end = canaries.yesterday(dt.datetime(2026, 10, 26, 9, tzinfo=dt.UTC))
    zone = timezone.get_default_timezone()
    local = begin.astimezone(zone), end.astimezone(zone)
    assert [each.isoformat()[:16] for each in local] == ["2026-10-25T00:00", "2026-10-26T00:00"]


@pytest.mark.parametrize("how", ["altered", "lying label", "cut"])
def test_footage_that_does_not_open_is_said_and_tried_again_within_the_hour(told: Told, data: Path, how: str) -> None:
    good = list(told.wraps)
    camera, period, wrap = told.wraps[0]
    if how == "altered":
        told.wraps = [(camera, period, wrap[:-1] + bytes([wrap[-1] ^ 1]))]
    elif how == "cut":
        told.wraps = [(camera, period, wrap[:-1])]
    else:
        _, wrapped = begin_period(recipients(THEIRS), StreamKey(camera))
        told.wraps = [
            (camera, period, replace(wrapped, layers=(wrapped.layers[0]._replace(key_id=OURS.key_id),)).encode())
        ]
    reading = reading_of(told, data, OURS)
    reading.round()
    words = said()["footage-not-opened"]
    assert words.startswith("Yesterday’s footage cannot be opened. ")
    assert "market" in words
    row = standing()["footage-not-opened", "recorder:local"]
    assert row.severity == "urgent"
    page = signed_in(person_with(Action.LIVE)).get("/health", secure=True).content.decode()
    assert "Yesterday’s footage cannot be opened" in page
    told.wraps = good
    reading.round()
    assert "footage-not-opened" in said(), "it is tried again after an hour, not at once"
    kept = Recorder.objects.get().canary
    kept["tried_at"] = (timezone.now() - dt.timedelta(hours=2)).isoformat()
    Recorder.objects.update(canary=kept)
    reading.round()
    assert said() == {}
    assert state().opened_at is not None


def test_while_it_is_locked_it_is_said_since_when_nobody_could_look(told: Told, data: Path) -> None:
    reading = reading_of(told, data)
    reading.round()
    since = state().blind_since
    assert since is not None
    reading.round()
    assert (state().blind_since, state().blind) == (since, "locked")
    page = signed_in(person_with(Action.LIVE)).get("/health", secure=True).content.decode()
    assert "recorded footage is locked" in page
    reading._canary = canary_of(told, data, OURS)
    reading.round()
    assert (state().blind_since, state().blind, state().failure) == (None, "", "")
    assert state().opened_at is not None


def test_keys_in_somebody_elses_hand_are_not_called_a_fault(told: Told, data: Path) -> None:
    give(data, recipients(OURS, WITNESS))
    found = canary_of(told, data, OURS).attempt(CanaryState(), told.report(), timezone.now())
    assert (found.blind, found.failure, found.opened_at) == ("elsewhere", "", None)
    assert found.blind_since is not None


def test_where_nothing_was_recorded_there_is_nothing_to_open(told: Told, data: Path) -> None:
    told.wraps.clear()
    found = canary_of(told, data, OURS).attempt(CanaryState(), told.report(), timezone.now())
    assert (found.nothing, found.failure, found.opened_at) == ("nothing was recorded", "", None)
    assert found.done_on == timezone.localdate()


def test_footage_from_before_a_change_of_keys_is_no_fault_and_of_strangers_is_one(told: Told, data: Path) -> None:
    told.wraps.clear()
    told.record("market", recipients(THEIRS))
    found = canary_of(told, data, OURS).attempt(CanaryState(), told.report(), timezone.now())
    assert THEIRS.key_id in found.failure
    give(data, recipients(OURS), at=timezone.now().timestamp() - 3600)
    found = canary_of(told, data, OURS).attempt(CanaryState(), told.report(), timezone.now())
    assert (found.failure, found.nothing) == ("", "it was sealed to keys from before")


def test_a_recorder_that_does_not_answer_decides_nothing(told: Told, data: Path) -> None:
    reported = told.report()
    told.away = True
    before = CanaryState(failure="it did not open", failed_at=timezone.now())
    found = canary_of(told, data, OURS).attempt(before, reported, timezone.now())
    assert (found.failure, found.done_on) == ("it did not open", None)
    assert canary_of(told, data, OURS).look(reported, timezone.now()).foreign is None


# --- a real recorder --------------------------------------------------------------------------------------------------


def test_a_file_that_is_swapped_at_a_real_recorder_only_is_said_with_its_cameras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canaries, "FOLLOWS_WITHIN", dt.timedelta(0))
    monkeypatch.setattr(canaries, "EVERY", dt.timedelta(0))
    monkeypatch.setattr(canaries, "LOOK_BACK", dt.timedelta(seconds=1))
    site = make_site(tmp_path / "s")
    camera_at(site_in(), "market", name="Market entrance", state="recording")
    data = tmp_path / "data"
    data.mkdir()
    (data / "recipients.json").write_bytes(site.recipients.read_bytes())
    good = read_recipients(site.recipients)
    stranger = replace(role(), site_id=site.role.site_id)
    swapped = Recipients(site.role.site_id, site.role.site, (stranger.recipient,))
    with cameras("market") as simulator, RunningRecorder(site, addresses(simulator), workers=1) as recorder:
        recorder.wait_recording()
        canary = Canary(SocketClient(recorder.socket_path), data)
        make = Reading.__init__

        def with_canary(self: Reading, *arguments: Any, **named: Any) -> None:
            make(self, *arguments, **named)
            self._canary = canary

        monkeypatch.setattr(Reading, "__init__", with_canary)
        read_until(recorder, lambda: Recorder.objects.filter(heard_at__isnull=False).exists() and said() == {})
        replace_recipients(site.recipients, swapped)
        read_until(recorder, lambda: "Cameras: Market entrance." in said().get("sealed-to-others", ""), 90)
        assert stranger.key_id in said()["sealed-to-others"]
        replace_recipients(site.recipients, good)
        read_until(recorder, lambda: said() == {}, 90)
