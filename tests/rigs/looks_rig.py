"""Looks that security keys open, without a recorder: a site, its key periods, a media plane, and people with keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # compiled, without stubs
import pytest
from django.conf import settings
from fido2.utils import websafe_encode

from acts_rig import purpose
from control_rig import camera_at, person_with, site_in
from keys_in_hand import Page
from overt.control.custody.policies import Policy
from overt.control.estate.models import Camera
from overt.control.people.actions import Action
from overt.control.viewing import calls, holding, key_calls
from overt.control.viewing.custody import Custody
from overt.control.viewing.grants import Holder
from overt.ids import StreamKey
from overt.sealing.recipients_file import read_recipients
from overt.sealing.wraps import begin_period
from periods_rig import Periods
from recorder_rig import Site, make_site
from viewing_rig import DIGEST, FakeMedia, HandClock, held_by

BINDING = websafe_encode(DIGEST)
FROM, TO = 1_799_990_000 * 10**6, 1_800_000_000 * 10**6


@dataclass
class Scene:
    """A site with its recorder's key periods, its media plane, and people with keys."""

    media: FakeMedia
    custody: Custody
    recorder: Periods
    clock: HandClock
    site: Site
    keeper: Page
    holders: dict[str, Page] = field(default_factory=dict)
    """Who has founded the keyring of a role."""
    papers: dict[str, str] = field(default_factory=dict)
    """The recovery of each role."""

    def record(self, camera: str = "market") -> str:
        """Record something under the public keys that the recorder has now; the key period."""
        now = read_recipients(settings.CONTROL.data / "recipients.json")
        _, wrapped = begin_period(now, StreamKey(camera, "main"))
        self.recorder.put(wrapped)
        return str(wrapped.period_id)

    def enrolled(self, role: str, name: str, count: int = 3) -> list[Page]:
        """People whose keys are registered and approved; the first has founded the keyring."""
        pages = [Page(person_with(Action.RECORDED, Action.EXPORT, name=f"{name} {number}")) for number in range(count)]
        for each in pages:
            self.approve(each.register(role))
        _, self.papers[role] = pages[0].found(role, read_recipients(self.site.recipients).site_id)
        self.holders[role] = pages[0]
        return pages

    def approve(self, key: str) -> None:
        """Approve a key, by a touch of whoever has founded a keyring where somebody has."""
        if not self.holders:
            assert self.keeper.client.post(f"/keys/{key}/approve").status_code == 302
            return
        asked = self.keeper.post(f"/keys/{key}/ask-approval")
        assert self.holders[asked["turn"]].answer(asked)["done"] is True

    def policy(self, policy: Policy) -> None:
        """Put a policy in force."""
        answer = self.keeper.client.post("/custody", {"policy": policy.value})
        assert answer.status_code == 302, answer.content.decode()

    def present(self) -> list[Page]:
        """Put a key in hand in force and record something under it; the people who hold one."""
        pages = self.enrolled("viewer", "Olive")
        self.policy(Policy.PRESENCE)
        self.record()
        return pages

    def number_on_paper(self, asked: dict[str, Any]) -> str:
        """Begin to use the recovery on paper of the role whose turn it is; the number that shows it."""
        begun = self.keeper.post(f"/key-requests/{asked['id']}/begin-recovery")
        identity = pyrage.x25519.Identity.from_str(self.papers[begun["role"]])
        return str(websafe_encode(pyrage.decrypt(begun["number"].encode(), [identity])))

    def shows_paper(self, asked: dict[str, Any], status: int = 200) -> Any:
        """Let the keeper answer with the recovery on paper; what that gives."""
        body = {"number": self.number_on_paper(asked)}
        return self.keeper.post(f"/key-requests/{asked['id']}/recover", body, status)

    def given(self, grant: str) -> dict[str, bytes]:
        """What the media plane was given to open, under a grant."""
        found = next((roots for given, roots in self.media.roots.items() if str(given) == grant), {})
        return {str(period): root for period, root in found.items()}


@contextmanager
def looking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Set the scene, in a folder of its own."""
    site = make_site(folder / "made")
    (folder / "custodian.key").write_bytes(site.key.read_bytes())
    (folder / "recipients.json").write_bytes(site.recipients.read_bytes())
    monkeypatch.setattr(settings, "CONTROL", settings.CONTROL.model_copy(update={"data": folder}))
    recorder, media, clock = Periods(folder / "r.sock"), FakeMedia(), HandClock()
    custody = Custody(folder, folder / "r.sock")
    holder: Holder = held_by(media, custody, clock)
    monkeypatch.setattr("viewing_rig.SITE", custody.site)
    for module in (calls, key_calls, holding):
        monkeypatch.setattr(module, "holder", lambda: holder)
        monkeypatch.setattr(module, "custody", lambda: custody)
    camera_at(site_in(), "market", state=Camera.State.RECORDING)
    keeper = Page(person_with(Action.KEEP_KEYS, name="Mira Manager"))
    try:
        yield Scene(media, custody, recorder, clock, site, keeper)
    finally:
        recorder.close()


def wanted(reference: str = "INC-7", cameras: tuple[str, ...] = ("market",), from_us: int = FROM) -> dict[str, Any]:
    why = {"purpose": purpose(name=f"Purpose {reference} {from_us}").pk, "reference": reference}
    return {"recorded": {"cameras": list(cameras), "from_us": from_us, "to_us": TO}, "why": why}


def look(page: Page, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = page.post("/viewing/grants", {**wanted(**more), "secret_sha256": BINDING})
    return told


def finish(page: Page, grant: dict[str, Any], asked: dict[str, Any], status: int = 200) -> Any:
    """Touch, open and show."""
    opened = page.opened(page.touch(asked))
    return page.post(f"/viewing/grants/{grant['id']}/keys/{asked['id']}", {"opened": opened}, status)
