"""The site's key: made on a page, unlocked on a page, and what it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control_rig import person_with, signed_in, site_in
from overt.control.people.actions import Action
from overt.control.viewing import custody_pages
from overt.control.viewing.custody import ATTEMPTS, WINDOW_S, Custody
from overt.errors import ConflictError, ForbiddenError, UnavailableError
from overt.sealing.recipients_file import read_recipients
from periods_rig import Periods
from recorder_rig import PASSPHRASE, Site, make_site

SPAN = (10**18, 10**18 + 3600 * 10**9)


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Site:
    site = make_site(tmp_path)
    (tmp_path / "custodian.key").write_bytes(site.key.read_bytes())
    return site


@pytest.fixture(name="recorder")
def _recorder(tmp_path: Path) -> Iterator[Periods]:
    recorder = Periods(tmp_path / "r.sock")
    yield recorder
    recorder.close()


@pytest.fixture(name="custody")
def _custody(site: Site, tmp_path: Path) -> Custody:
    return Custody(tmp_path, tmp_path / "r.sock")


def test_it_opens_the_periods_that_the_recorder_names(custody: Custody, site: Site, recorder: Periods) -> None:
    market, _ = recorder.add(site, "market")
    substream, _ = recorder.add(site, "market", "sub")
    custody._key = site.role
    found = custody.release(["market"], *SPAN)
    assert set(found) == {market, substream}
    assert all(len(root) == 32 for root in found.values())
    assert recorder.asked[0]["camera"] == ["market"]
    assert recorder.asked[0]["from_us"] == [str(10**15)]
    assert custody.release(["market"], *SPAN, {market}).keys() == {substream}


def test_a_recorder_that_names_another_camera_has_it_not_opened(
    custody: Custody, site: Site, recorder: Periods
) -> None:
    recorder.add(site, "foyer")
    custody._key = site.role
    assert custody.release(["market"], *SPAN) == {}


def test_a_wrap_that_was_altered_keeps_nothing_else_shut(custody: Custody, site: Site, recorder: Periods) -> None:
    recorder.add(site, "market")
    good, _ = recorder.add(site, "market", "sub")
    text = recorder.rows[0]["wrap"]
    recorder.rows[0]["wrap"] = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    custody._key = site.role
    assert custody.release(["market"], *SPAN).keys() == {good}


def test_while_locked_nothing_is_opened(custody: Custody) -> None:
    assert not custody.unlocked
    with pytest.raises(ForbiddenError, match="locked"):
        custody.release(["market"], *SPAN)


def test_a_recorder_that_is_away(custody: Custody, site: Site) -> None:
    custody._key = site.role
    with pytest.raises(UnavailableError):
        custody.release(["market"], *SPAN)
    custody.lock()
    assert not custody.unlocked


def test_wrong_passphrases_are_throttled(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    custody = Custody(tmp_path, tmp_path / "r.sock", lambda: now)
    tried: list[str] = []

    def opening(_: object, passphrase: str) -> None:
        tried.append(passphrase)
        raise ForbiddenError("no")

    monkeypatch.setattr("overt.control.viewing.custody.open_with_passphrase", opening)
    for _ in range(ATTEMPTS):
        with pytest.raises(ForbiddenError, match="not the passphrase"):
            custody.unlock("wrong")
    with pytest.raises(ForbiddenError, match="Wait 10 minutes"):
        custody.unlock("the right one, perhaps")
    assert len(tried) == ATTEMPTS
    now = WINDOW_S
    with pytest.raises(ForbiddenError, match="not the passphrase"):
        custody.unlock("wrong")


def test_a_key_is_never_made_over_another(custody: Custody, tmp_path: Path) -> None:
    before = (tmp_path / "custodian.key").read_bytes()
    with pytest.raises(ConflictError, match="has a key already"):
        custody.make("Town", "a passphrase of some length")
    (tmp_path / "recipients.json").unlink()
    with pytest.raises(ConflictError, match="move the key"):
        custody.make("Town", "a passphrase of some length")
    assert (tmp_path / "custodian.key").read_bytes() == before


def test_a_passphrase_file_that_is_wrong_leaves_it_locked(
    custody: Custody, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "passphrase"
    file.write_text("surely another one\n")
    custody.unlock_from(file)
    assert not custody.unlocked
    assert "surely another one" not in caplog.text
    assert "stays locked" in caplog.text
    file.write_text(PASSPHRASE + "\n")
    custody.unlock_from(file)
    assert custody.unlocked


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.fixture(name="served")
def _served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Custody:
    custody = Custody(tmp_path / "data", tmp_path / "r.sock")
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(custody_pages, "custody", lambda: custody)
    return custody


@pytest.mark.django_db
def test_the_key_is_made_and_its_code_is_shown_once(served: Custody) -> None:
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    assert client.get("/footage-key", secure=True)["location"] == "/footage-key/make"
    words = {"site": "Northshire", "passphrase": "four unrelated words here", "again": "four unrelated words here"}
    short = client.post("/footage-key/make", words | {"passphrase": "short", "again": "short"}, secure=True)
    assert short.status_code == 422
    assert "at least 12" in short.content.decode()
    differ = client.post("/footage-key/make", words | {"again": "four other words there"}, secure=True)
    assert "two passphrases differ" in differ.content.decode()
    assert "four unrelated words" not in differ.content.decode()
    assert not served.made
    made = client.post("/footage-key/make", words, secure=True)
    assert made.status_code == 200
    assert made["cache-control"] == "no-store"
    assert "recovery code" in made.content.decode()
    assert served.made
    assert served.unlocked
    assert read_recipients(served.recipients_file).site_id == served.site
    again = client.get("/footage-key/make", secure=True)
    assert again["location"] == "/footage-key"


@pytest.mark.django_db
def test_it_is_unlocked_and_locked_on_its_page(served: Custody, site: Site) -> None:
    served.key_file.write_bytes(site.key.read_bytes())
    served.recipients_file.write_bytes(site.recipients.read_bytes())
    client = signed_in(person_with(Action.CHANGE_CAMERAS))
    wrong: Any = client.post("/footage-key", {"passphrase": "certainly another"}, secure=True)
    assert wrong.status_code == 422
    assert "not the passphrase" in wrong.content.decode()
    assert "certainly another" not in wrong.content.decode()
    assert client.post("/footage-key", {"passphrase": PASSPHRASE}, secure=True).status_code == 302
    assert served.unlocked
    assert "Unlocked" in client.get("/footage-key", secure=True).content.decode()
    assert client.post("/footage-key/lock", secure=True).status_code == 302
    assert not served.unlocked


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/footage-key", "/footage-key/make", "/footage-key/lock"])
def test_who_may_not_change_cameras_everywhere_tries_no_passphrase(served: Custody, path: str) -> None:

    part = signed_in(person_with(Action.CHANGE_CAMERAS, group=site_in().group, name="Terry Technician"))
    assert part.post(path, {"passphrase": PASSPHRASE}, secure=True).status_code == 403
    operator = signed_in(person_with(Action.LIVE, name="Olive Operator"))
    assert operator.post(path, {"passphrase": PASSPHRASE}, secure=True).status_code == 403
