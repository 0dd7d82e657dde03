"""People with security keys before the pages of the control room: each in a browser of their own with one key."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, Request, expect
from playwright.sync_api import Error as PlaywrightError

from browser_rig import eventually
from control_rig import PASSWORD
from overt.sealing.keyring import recipient_of, tidy_recovery
from page_rig import PATIENCE_MS, Screen
from prf_identity import identity_of_prf
from recorder_rig import Recorder, Site, make_site
from room_rig import Room, Wall, configuration, settings_for, settle, simulated
from security_keys import SecurityKey

VIEWER, APPROVER = "Who looks", "Who approves"
"""The roles of keys, as pages name them."""
POST: Final = """const post = async (address, body) => {
  const headers = {"Content-Type": "application/json", Accept: "application/json",
    "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content};
  const answer = await fetch(address, {method: "POST", headers, body});
  return [answer.status, await answer.text()];
};"""
AGAIN: Final = f"async ([address, body]) => {{ {POST} return await post(address, body); }}"
"""Sends once more what a page has sent, as it would."""
ANOTHER: Final = f"""async ([address, body]) => {{ {POST}
  const [status, text] = await post(address, "{{}}");
  return status === 200 ? await post(`/key-requests/${{JSON.parse(text).id}}/consent`, body) : [status, text];
}}"""
"""Asks for keys once more, and answers with what answered another request."""


Who = TypeVar("Who")
Kind = TypeVar("Kind", "Holder", "Looker")


class Hand:
    """Somebody with a security key, before a page of theirs."""

    page: Page
    expected: tuple[str, ...]

    def begin(self) -> None:
        """Put the key in, and watch what the page sends."""
        self.key = SecurityKey(self.page)
        self.sent: list[tuple[str, str]] = []
        """Address and body."""
        self.page.on("request", self._sends)

    def _sends(self, request: Request) -> None:
        if request.method == "POST" and request.post_data:
            self.sent.append((request.url, request.post_data))

    def _press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def _done(self) -> None:
        """Wait until a task is done, and the page of keys is there."""
        try:
            self.page.wait_for_url("**/keys")
        except PlaywrightError as error:
            error.add_note(f"the page says {self.page.locator('[data-say]').all_inner_texts()}")
            raise

    def says(self, words: str) -> None:
        """Wait until the task on the page says something."""
        expect(self.page.locator("[data-say]").filter(has_text=words).first).to_be_visible(timeout=PATIENCE_MS)

    def register(self, role: str, label: str) -> None:
        """Register the key for a role, by the pages."""
        self.page.goto("/keys")
        self.page.get_by_role("button", name="Register a security key of your own").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Register a security key")
        self.page.get_by_label(role, exact=True).check()
        self.page.get_by_label("Name of the key, as it is written on it", exact=True).fill(label)
        self._press("Touch the key")
        self._done()

    def state_of(self, label: str, words: str) -> None:
        """Wait until the page of keys says how a key stands."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_role("rowheader", name=label, exact=True))
        expect(row).to_contain_text(words, timeout=PATIENCE_MS)

    def found_keyring(self, role: str) -> str:
        """Found a role's keyring, by the pages; the recovery as it stands on paper."""
        self.page.goto(f"/keyrings/{role}")
        self._press("Make the role’s key")
        shown = self.page.locator("[data-recovery]")
        expect(shown).not_to_be_empty(timeout=PATIENCE_MS)
        paper = shown.inner_text()
        self.page.get_by_label("Type it back from the paper").fill(paper.lower())
        self._press("Found the keyring: touch your key")
        self._done()
        return paper

    def touch(self, said: str) -> None:
        """Agree to the request that the page shows; wait until it says what has happened."""
        self._press("Touch your key to agree")
        self.says(said)

    def last_sent(self, path: str) -> list[str]:
        """The last that went to an address that ends so: address and body."""
        return list(next(each for each in reversed(self.sent) if each[0].endswith(path)))

    def sends_again(self, path: str) -> tuple[int, str]:
        """Send once more what went to an address that ends so; the answer's status and text."""
        self.expected = (*self.expected, path)
        status, text = self.page.evaluate(AGAIN, self.last_sent(path))
        return status, text

    def answers_another(self, grant: str) -> tuple[int, str]:
        """Bring the last answer of the key to another request for the same look; the answer's status and text."""
        self.expected = (*self.expected, "/consent")
        status, text = self.page.evaluate(ANOTHER, [grant, self.last_sent("/consent")[1]])
        return status, text

    def has_not_sent(self, *secrets: str) -> None:
        """Nothing that the page has sent has one of these in it, nor what a key's PRF gives."""
        for address, body in self.sent:
            assert "results" not in body, address
            for secret in secrets:
                assert secret not in body, address


class Holder(Hand, Screen):
    """Before a light page."""


class Looker(Hand, Wall):
    """Before pages with pictures too."""


@contextmanager
def arriving(
    browser: Browser, origin: str, kind: type[Kind], sign_in: Callable[[BrowserContext, Who], object]
) -> Iterator[Callable[[Who], Kind]]:
    """Let people arrive; `sign_in` gives a browser context the session of somebody."""
    there: list[Kind] = []

    def arrive(who: Who) -> Kind:
        context = browser.new_context(base_url=origin, locale="en-GB", viewport={"width": 1366, "height": 768})
        sign_in(context, who)
        there.append(kind(context))
        there[-1].begin()
        return there[-1]

    yield arrive
    for each in there:
        each.page.context.close()
    for each in there:
        each.calm()


VERA, ANNA, KEEPER = (f"{name}@northshire.example" for name in ("vera.viewer", "anna.approver", "max.manager"))
HOLDERS: Final = """
for email, name in PEOPLE.items():
    person(email, name, "Supervisor")
"""
SPARE: Final = """
import secrets
from overt.control.custody.models import SecurityKey
keeper = Person.objects.get(email=KEEPER)
for number, (role, recipient) in enumerate(SPARE):
    spare = Person.objects.create_user(f"spare{number}@northshire.example", f"Spare {number}", PASSWORD)
    Appointment.objects.create(person=spare, role=Role.objects.get(name="Supervisor"))
    SecurityKey.objects.create(
        role=role, holder=spare, label=f"Spare {number}", credential_id=secrets.token_urlsafe(32), rp_id="localhost",
        recipient=recipient, proposed=timezone.now(),
    )
SecurityKey.objects.update(state="approved", approved_by=keeper)
"""
"""Two more keys of each role, in the cabinet; all are approved."""
SWITCH: Final = """
from django.db import transaction
from overt.control.custody.handing_over import hand_over
from overt.control.custody.policies import Policy
from overt.control.custody.switching import switch
from overt.control.people.rights import rights_of
keeper = Person.objects.get(email=KEEPER)
with transaction.atomic():
    switch(keeper, rights_of(keeper), Policy(POLICY))
    hand_over()
"""


@dataclass
class Guarded:
    """A council whose footage is sealed to keys in hand, since a while after it began to be recorded."""

    room: Room
    site: Site
    recorder: Recorder
    people: Mapping[str, Looker]
    """By e-mail address; whoever keeps keys, and holds none, among them."""
    papers: Mapping[str, str]
    """The recovery of each role."""
    arrive: Callable[[str], Looker]
    """Lets somebody come to another machine, with a key that nobody knows."""
    since_s: float
    """When the recorder began to seal to the keys; monotonic."""

    def wait_for_footage(self, seconds: float = 40) -> None:
        """Wait until so much was sealed to the keys."""
        eventually(lambda: time.monotonic() - self.since_s >= seconds, seconds + PATIENCE_MS / 1000)


@contextmanager
def guarded(browser: Browser, folder: Path, policy: str, roles: Mapping[str, str], camera: str) -> Iterator[Guarded]:
    """Start it all; people register keys and found keyrings, a policy is put in force, and the recorder follows.

    `roles`: whose key is for what (`viewer`, `approver`), by e-mail address.
    """
    site = make_site(folder)
    settings = settings_for(folder, site)
    followed = replace(site, folder=settings.data)  # whose public keys the recorder follows
    with simulated([camera]) as simulator:
        # Ten seconds of instant replay are open to whoever watches live; what is looked at here is older.
        file = configuration(folder, settings, simulator, [camera], "localhost", more="ring_s = 10\n")
        with Recorder(followed, file, workers=1) as recorder, Room(settings) as room:
            room.origin = f"http://localhost:{settings.port}"  # security keys belong to a name
            settle(room)
            recorder.wait_recording()
            with arriving(browser, room.origin, Looker, room.signed_in) as arrive:
                room.run(HOLDERS, PEOPLE={each: _name(each) for each in roles})
                people = {each: arrive(each) for each in (*roles, KEEPER)}
                papers = _sealed(room, people, roles)
                room.run(SWITCH, KEEPER=KEEPER, POLICY=policy)
                recorder.wait_health(lambda health: _seals_to(health["sealing"], set(roles.values())))
                yield Guarded(room, site, recorder, people, papers, arrive, time.monotonic())


def _sealed(room: Room, people: Mapping[str, Looker], roles: Mapping[str, str]) -> dict[str, str]:
    """Register keys and found the keyrings; the recovery of each role."""
    for email, role in roles.items():
        people[email].register({"viewer": VIEWER, "approver": APPROVER}[role], f"{_name(email)}'s key")
    spare = [(role, recipient_of(identity_of_prf(os.urandom(32), b"spare"))) for role in roles.values() for _ in "12"]
    room.run(SPARE, KEEPER=KEEPER, PASSWORD=PASSWORD, SPARE=spare)
    return {role: tidy_recovery(people[email].found_keyring(role)) for email, role in roles.items()}


def _seals_to(sealing: Mapping[str, Any], roles: set[str]) -> bool:
    return {each["role"] for each in sealing["roles"]} == roles and sealing["behind"] == 0


def _name(email: str) -> str:
    return email.partition("@")[0].replace(".", " ").title()
