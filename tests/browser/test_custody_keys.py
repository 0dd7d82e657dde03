"""Keys in hand by the pages, in Debian's Chromium with virtual security keys: from the first key to a policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from playwright.sync_api import Browser, BrowserContext, expect

from acts_rig import fresh_ledger
from control_rig import person_with, signed_in
from custody_rig import APPROVER, VIEWER, Holder, arriving
from overt.cli.main import main
from overt.control.custody.models import KeyRequest, Keyring, SecurityKey
from overt.control.custody.policies import Policy
from overt.control.custody.switching import policy_now
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.sealing.keyring import open_keyring, tidy_recovery
from overt.sealing.recipients_file import read_recipients
from page_rig import chromium
from recorder_rig import Site, make_site
from security_keys import SecurityKey as Virtual

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Arrive = Callable[..., Holder]


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = make_site(tmp_path / "made")
    (tmp_path / "custodian.key").write_bytes(site.key.read_bytes())
    (tmp_path / "recipients.json").write_bytes(site.recipients.read_bytes())
    monkeypatch.setattr(settings, "CONTROL", settings.CONTROL.model_copy(update={"data": tmp_path}))
    with fresh_ledger(tmp_path / "ledger"):
        yield site


@pytest.fixture(name="arrive")
def _arrive(browser: Browser, live_server: Any, site: Site) -> Iterator[Arrive]:
    cache.clear()
    origin = live_server.url.replace("127.0.0.1", "localhost")  # security keys belong to a name

    def sign_in(context: BrowserContext, person: Person) -> None:
        cookie = signed_in(person).cookies["overt_session"]
        context.add_cookies([{"name": "overt_session", "value": cookie.value, "url": origin}])

    with arriving(browser, origin, Holder, sign_in) as arrive:

        def named(name: str, *actions: Action) -> Holder:
            return arrive(person_with(*(actions or (Action.RECORDED,)), name=name))

        yield named


def approve(keeper: Holder, *labels: str) -> None:
    """Approve keys, while no key of the other role is in use."""
    for label in labels:
        keeper.page.goto("/keys")
        keeper.press(f"Approve {label}")
        keeper.state_of(label, "Approved")


def borne_out(capsys: pytest.CaptureFixture[str]) -> tuple[int, int, list[str]]:
    """What the ledger by itself says of what was done: exit code, answers of keys, findings."""
    capsys.readouterr()
    code = main(["ledger", "consents", str(settings.CONTROL.data / "ledger"), "--json"])
    told = json.loads(capsys.readouterr().out)
    return code, told["touches"], told["findings"]


def test_three_people_register_keys_found_the_keyring_and_presence_comes_into_force(
    arrive: Arrive, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = arrive("Mira Manager", Action.KEEP_KEYS)
    people = [arrive(name) for name in ("Olive Operator", "Sam Supervisor", "Robin Field")]
    labels = ["1, blue", "2, red", "3, spare"]
    people[0].page.goto("/keys/register")
    people[0].good("key-register")
    for person, label in zip(people, labels, strict=True):
        person.register(VIEWER, label)
        person.state_of(label, "Waits for approval")
    keeper.page.goto("/keys")
    keeper.good("keys-proposed")
    approve(keeper, *labels)

    olive = people[0]
    paper = olive.found_keyring("viewer")
    found = Keyring.objects.get(role="viewer")
    role_key = open_keyring(found.sealed, tidy_recovery(paper)).role_key("Town Hall")
    assert role_key.public_key.hex() == found.public_key
    for label in labels:
        olive.state_of(label, "In use")
    olive.good("keys-in-use")
    secret = tidy_recovery(paper)
    olive.has_not_sent(secret, secret.lower(), role_key.private_key.private_bytes_raw().hex())

    keeper.page.goto("/keys")
    keeper.page.get_by_role("button", name="Change the policy").click()
    keeper.heading("Custody policy")
    keeper.good("custody-policy")
    keeper.page.get_by_label("Key in hand", exact=True).check()
    keeper.press("Put it in force")
    expect(keeper.page.get_by_text("The policy “Key in hand” is in force")).to_be_visible()
    assert policy_now() == Policy.PRESENCE
    sealed_to = read_recipients(settings.CONTROL.data / "recipients.json").recipients
    assert [(each.role, each.key_id) for each in sealed_to] == [("viewer", role_key.key_id)]
    assert borne_out(capsys) == (0, 1, [])


def test_every_key_seals_the_keyring_anew_and_a_new_key_of_the_role_keeps_the_old_one(arrive: Arrive) -> None:
    keeper, olive, sam = arrive("Mira Manager", Action.KEEP_KEYS), arrive("Olive Operator"), arrive("Sam Supervisor")
    olive.register(VIEWER, "1, blue")
    approve(keeper, "1, blue")
    secret = tidy_recovery(olive.found_keyring("viewer"))
    first = open_keyring(Keyring.objects.get(role="viewer").sealed, secret)
    sam.register(VIEWER, "2, red")
    approve(keeper, "2, red")
    olive.page.goto("/keys")
    olive.page.get_by_role("link", name="Seal the keyring anew: keys have come or gone").click()
    olive.heading("Seal the keyring anew")
    olive.good("keyring-anew")
    olive.press("Seal it: touch your key")
    olive.page.wait_for_url("**/keys")
    olive.state_of("2, red", "In use")
    assert open_keyring(Keyring.objects.get(role="viewer").sealed, secret).encode() == first.encode()
    sam.page.goto("/keyrings/viewer")
    sam.page.get_by_label("A new one").check()
    sam.press("Seal it: touch your key")
    sam.page.wait_for_url("**/keys")
    found = Keyring.objects.get(role="viewer")
    second = open_keyring(found.sealed, secret)
    assert [each.key_id for each in second.keys[:-1]] == [each.key_id for each in first.keys]
    assert second.role_key("x").public_key.hex() == found.public_key != first.role_key("x").public_key.hex()


def test_without_a_touch_nothing_is_registered_and_no_keyring_is_founded(arrive: Arrive) -> None:
    keeper, olive = arrive("Mira Manager", Action.KEEP_KEYS), arrive("Olive Operator")
    olive.key.pull_out()
    Virtual(olive.page, verified=False)  # whoever has it does not know its PIN
    olive.page.goto("/keys/register")
    olive.page.get_by_label(VIEWER, exact=True).check()
    olive.fill("Name of the key, as it is written on it", "1, blue")
    olive.press("Touch the key")
    olive.says("The security key was not used")
    assert not SecurityKey.objects.exists()
    del keeper


def test_a_recovery_that_is_typed_wrong_founds_nothing(arrive: Arrive) -> None:
    keeper, olive = arrive("Mira Manager", Action.KEEP_KEYS), arrive("Olive Operator")
    olive.register(VIEWER, "1, blue")
    approve(keeper, "1, blue")
    olive.page.goto("/keyrings/viewer")
    olive.press("Make the role’s key")
    shown = olive.page.locator("[data-recovery]")
    expect(shown).not_to_be_empty()
    olive.page.get_by_label("Type it back from the paper").fill(shown.inner_text()[:-1])
    olive.press("Found the keyring: touch your key")
    olive.says("74 characters; 73 were typed")
    assert not KeyRequest.objects.exists()
    assert not Keyring.objects.exists()


@pytest.mark.parametrize(("kind", "words"), [({"prf": False}, "lacks the PRF extension"), ({"synced": True}, "copied")])
def test_a_key_that_will_not_do_is_refused(arrive: Arrive, kind: dict[str, bool], words: str) -> None:
    olive = arrive("Olive Operator")
    olive.key.pull_out()
    Virtual(olive.page, **kind)
    olive.page.goto("/keys/register")
    olive.page.get_by_label(APPROVER, exact=True).check()
    olive.fill("Name of the key, as it is written on it", "Phone")
    olive.press("Touch the key")
    olive.says(words)
    assert not SecurityKey.objects.exists()


def test_a_second_key_is_approved_by_a_touch_of_the_other_role_and_its_answer_counts_once(
    arrive: Arrive, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = arrive("Mira Manager", Action.KEEP_KEYS)
    olive, anna = arrive("Olive Operator"), arrive("Anna Approver", Action.RECORDED, Action.KEEP_KEYS)
    olive.register(VIEWER, "1, blue")
    approve(keeper, "1, blue")
    olive.found_keyring("viewer")
    anna.register(APPROVER, "A, green")
    keeper.page.goto("/keys")
    keeper.press("Approve A, green")
    keeper.page.wait_for_url("**/key-requests/*")
    address = keeper.page.url
    expect(keeper.page.get_by_text("You hold no security key")).to_be_visible()
    keeper.good("request-not-mine")
    olive.page.goto(address)
    expect(olive.page.get_by_text("A, green, Anna Approver")).to_be_visible()
    olive.good("request")
    olive.touch("“A, green” of Anna Approver is approved")
    assert SecurityKey.objects.get(label="A, green").state == "approved"
    status, text = olive.sends_again("/consent")
    assert (status, "was answered" in text) == (403, True)
    assert KeyRequest.objects.filter(kind="approve").count() == 1
    assert borne_out(capsys) == (0, 2, [])
