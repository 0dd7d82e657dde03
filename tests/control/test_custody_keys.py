"""Security keys from their registration to their end, keyrings, and policies."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from fido2.utils import websafe_decode, websafe_encode

from acts_rig import Written
from control_rig import person_with
from keys_in_hand import BE, ORIGIN, UP, UV, Page, SoftKey
from overt.control.custody import assertions, switching, texts
from overt.control.custody.handing_over import put_right
from overt.control.custody.models import Keyring, SecurityKey
from overt.control.custody.policies import KeyRole, Policy
from overt.control.people.actions import Action
from overt.errors import CorruptError, ForbiddenError
from overt.sealing.keyring import open_keyring, recipient_of, seal_keyring
from overt.sealing.recipients_file import read_recipients, replace_recipients
from recorder_rig import Site, make_site

pytestmark = pytest.mark.django_db


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = make_site(tmp_path / "made")
    (tmp_path / "custodian.key").write_bytes(site.key.read_bytes())
    (tmp_path / "recipients.json").write_bytes(site.recipients.read_bytes())
    monkeypatch.setattr(settings, "CONTROL", settings.CONTROL.model_copy(update={"data": tmp_path}))
    return site


def page(name: str, *actions: Action) -> Page:
    return Page(person_with(*(actions or (Action.RECORDED,)), name=name))


@pytest.fixture(name="keeper")
def _keeper() -> Page:
    return page("Mira Manager", Action.KEEP_KEYS)


def site_id(site: Site) -> UUID:
    return read_recipients(site.recipients).site_id


def enrolled(role: str, keeper: Page, count: int = 3, first: str = "Holder") -> list[Page]:
    """Pages of people whose keys are registered and approved."""
    pages = [page(f"{first} {number}") for number in range(count)]
    for each in pages:
        keeper.client.post(f"/keys/{each.register(role)}/approve")
    return pages


def test_a_key_is_registered_approved_and_founds_a_keyring(site: Site, keeper: Page) -> None:
    written = Written.from_now()
    holder = page("Olive Operator")
    key = holder.register("viewer", "Blue key, cabinet")
    assert SecurityKey.objects.get(pk=key).state == "proposed"
    assert "Waits for approval" in keeper.client.get("/keys", secure=True).content.decode()
    assert keeper.client.post(f"/keys/{key}/approve").status_code == 302
    role_key, recovery = holder.found("viewer", site_id(site))
    found = Keyring.objects.get(role="viewer")
    assert found.public_key == role_key.public_key.hex()
    # The key opens it, the paper opens it, and nobody else.
    assert open_keyring(found.sealed, holder.key.identity).keys[0].key_id == role_key.key_id
    assert open_keyring(found.sealed, recovery).role == "viewer"
    assert SecurityKey.objects.get(pk=key).state == "admitted"
    kinds = [kind for kind, _ in written.leaves("key.", "keyring.")]
    assert kinds == ["key.proposed", "key.approved", "key.touched", "keyring.founded"]
    founded = written.bodies("keyring.founded")[0]
    assert founded["key_id"] == role_key.key_id
    assert founded["recipients"] == [recipient_of(holder.key.identity)]


def test_nobody_approves_their_own_key(keeper: Page) -> None:
    key = keeper.register("viewer")
    answer = keeper.client.post(f"/keys/{key}/approve")
    assert answer.status_code == 403
    assert "Nobody approves their own" in answer.content.decode()


def test_nobody_holds_keys_of_both_roles(keeper: Page) -> None:
    keeper.register("viewer")
    keeper.key = SoftKey()
    told = keeper.post("/keys/options")
    body = {
        "role": "approver",
        "label": "Another",
        "registration": keeper.key.registration(websafe_decode(told["challenge"])),
        "recipient": recipient_of(keeper.key.identity),
    }
    assert "Nobody holds keys of both" in keeper.post("/keys/new", body, 409)["error"]["message"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (UP | UV | BE, "copies from device to device"),
        (UP, "User Verified flag not set"),
        (UV, "User Present flag not set"),
    ],
)
def test_a_key_that_is_no_key_in_hand_is_refused(flags: int, words: str) -> None:
    holder = page("Olive Operator")
    holder.key = SoftKey(flags=flags)
    told = holder.post("/keys/options")
    body = {
        "role": "viewer",
        "label": "Phone",
        "registration": holder.key.registration(websafe_decode(told["challenge"])),
        "recipient": recipient_of(SoftKey().identity),
    }
    answer = holder.client.post("/keys/new", body, content_type="application/json", secure=True)
    assert answer.status_code in {400, 403}
    assert words in answer.json()["error"]["message"]
    assert not SecurityKey.objects.exists()


def test_a_registration_counts_once_and_for_its_own_page(keeper: Page) -> None:
    holder = page("Olive Operator")
    challenge = websafe_decode(holder.post("/keys/options")["challenge"])
    body = {
        "role": "viewer",
        "label": "Blue",
        "registration": holder.key.registration(challenge, origin="https://elsewhere.example"),
        "recipient": recipient_of(holder.key.identity),
    }
    assert "Invalid origin" in holder.post("/keys/new", body, 400)["error"]["message"]
    # The challenge is spent.
    body["registration"] = holder.key.registration(challenge)
    assert "load it anew" in holder.post("/keys/new", body, 403)["error"]["message"]


def test_a_policy_needs_three_keys_and_the_keyring_of_now(site: Site, keeper: Page) -> None:
    pages = enrolled("viewer", keeper, 2)
    pages[0].found("viewer", site_id(site))
    answer = keeper.client.post("/custody", {"policy": "presence"})
    assert answer.status_code == 409
    assert "has 2 security keys in use, and needs 3" in answer.content.decode()
    third = page("Third Holder")
    keeper.client.post(f"/keys/{third.register('viewer')}/approve")
    assert "not sealed to the keys of now" in keeper.client.post("/custody", {"policy": "presence"}).content.decode()
    pages[1].seal_anew("viewer")
    written = Written.from_now()
    assert keeper.client.post("/custody", {"policy": "presence"}).status_code == 302
    assert switching.policy_now() == Policy.PRESENCE
    assert written.bodies("custody.changed")[0]["changes"][0]["after"] == "Key in hand"
    # The recorder is told at once.
    now = read_recipients(settings.CONTROL.data / "recipients.json")
    assert [(each.role, each.public_key.hex()) for each in now.recipients] == [
        ("viewer", Keyring.objects.get(role="viewer").public_key)
    ]
    assert now.site_id == site_id(site)


def four_eyes(site: Site, keeper: Page) -> tuple[list[Page], list[Page]]:
    viewers, approvers = enrolled("viewer", keeper), enrolled("approver", keeper, first="Approver")
    viewers[0].found("viewer", site_id(site))
    approvers[0].found("approver", site_id(site))
    assert keeper.client.post("/custody", {"policy": "four-eyes"}).status_code == 302
    return viewers, approvers


def test_a_policy_with_keys_is_left_only_if_they_agree(site: Site, keeper: Page) -> None:
    viewers, approvers = four_eyes(site, keeper)
    assert keeper.client.post("/custody", {"policy": "custodian"}).status_code == 403
    asked = keeper.post("/custody/ask", {"policy": "custodian"})
    assert asked["turn"] == "approver"
    # The order is that of the layers, and a stranger to the role is not asked.
    viewers[0].touch(asked, 403)
    assert approvers[1].answer(asked)["done"] is False
    assert switching.policy_now() == Policy.FOUR_EYES
    said = viewers[1].answer(viewers[1].get(f"/key-requests/{asked['id']}/state"))
    assert said == {"done": True, "said": "The policy “Passphrase” is in force."}
    assert switching.policy_now() == Policy.CUSTODIAN
    assert read_recipients(settings.CONTROL.data / "recipients.json") == read_recipients(site.recipients)


def test_a_later_key_is_approved_by_a_touch_of_the_other_role(site: Site, keeper: Page) -> None:
    viewers, approvers = four_eyes(site, keeper)
    late = page("Late Holder")
    key = late.register("viewer")
    assert keeper.client.post(f"/keys/{key}/approve").status_code == 403
    asked = keeper.post(f"/keys/{key}/ask-approval")
    assert asked["turn"] == "approver"
    viewers[0].touch(asked, 403)
    approvers[0].answer(asked)
    assert SecurityKey.objects.get(pk=key).state == "approved"
    viewers[0].seal_anew("viewer")
    assert SecurityKey.objects.get(pk=key).state == "admitted"
    assert late.key.identity  # and it opens the keyring
    open_keyring(Keyring.objects.get(role="viewer").sealed, late.key.identity)


def test_a_lost_key_is_out_at_once_and_a_rotation_makes_it_worthless(site: Site, keeper: Page) -> None:
    pages = enrolled("viewer", keeper, 4)
    pages[0].found("viewer", site_id(site))
    assert keeper.client.post("/custody", {"policy": "presence"}).status_code == 302
    lost = pages[3]
    key = SecurityKey.objects.get(holder=lost.person)
    assert keeper.client.post(f"/keys/{key.pk}/end", {"why": "It was lost or stolen"}).status_code == 302
    # It answers nothing any more.
    asked = lost.post("/keyrings/viewer/ask")
    assert "is in use" in asked["why_not"]
    assert "hold no security key" in lost.touch(asked, 403)["error"]["message"]
    old = Keyring.objects.get(role="viewer").public_key
    before = Keyring.objects.get(role="viewer").sealed
    new = X25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    rotation = pages[0].post("/keyrings/viewer/ask", {"public_key": new})
    keyring = open_keyring(pages[0].touch(rotation)["keyring"], pages[0].key.identity)
    pages[0].bring_keyring(rotation, keyring)
    now = Keyring.objects.get(role="viewer")
    assert now.public_key == new != old
    assert len(now.sealed_to) == 3
    # The recorder seals to the new key from now on.
    assert read_recipients(settings.CONTROL.data / "recipients.json").recipients[0].public_key.hex() == new
    # What the thief kept opens the old keyring alone, as the documents say.
    open_keyring(before, lost.key.identity)
    with pytest.raises(ForbiddenError, match="does not open with this secret"):
        open_keyring(now.sealed, lost.key.identity)


def test_the_signature_in_the_ledger_can_be_checked_again(site: Site, keeper: Page) -> None:
    holder = enrolled("viewer", keeper, 1)[0]
    written = Written.from_now()
    holder.found("viewer", site_id(site))
    leaf = written.bodies("key.touched")[0]
    challenge = texts.challenge_of(leaf["text"])
    assert assertions.check_kept(challenge, leaf["credential"], leaf["assertion"]).origin == ORIGIN
    # An administrator who writes another text cannot have it signed.
    forged = texts.challenge_of(leaf["text"].replace("viewer", "approver"))
    with pytest.raises(CorruptError, match="signed something else"):
        assertions.check_kept(forged, leaf["credential"], leaf["assertion"])
    data = bytearray(websafe_decode(leaf["assertion"]["signature"]))
    data[-1] ^= 1
    altered = {**leaf["assertion"], "signature": websafe_encode(bytes(data))}
    with pytest.raises(CorruptError, match="not good"):
        assertions.check_kept(challenge, leaf["credential"], altered)


def test_a_keyring_for_other_recipients_than_were_signed_is_refused(site: Site, keeper: Page) -> None:
    pages = enrolled("viewer", keeper, 2)
    role_key, _ = pages[0].found("viewer", site_id(site))
    asked = pages[0].post("/keyrings/viewer/ask")
    keyring = open_keyring(pages[0].touch(asked)["keyring"], pages[0].key.identity)
    sealed = seal_keyring(keyring, [each["recipient"] for each in json.loads(asked["text"])["keys"]])
    told = pages[0].post("/keyrings/seal", {"request": asked["id"], "sealed": sealed}, 400)
    assert "sealed to 2 recipients, not to 2 keys and the recovery" in told["error"]["message"]
    assert role_key


def test_a_page_that_sends_the_prf_is_refused(site: Site, keeper: Page) -> None:
    holder = enrolled("viewer", keeper, 1)[0]
    holder.found("viewer", site_id(site))
    asked = holder.post("/keyrings/viewer/ask")
    answer = holder.key.assertion(hashlib.sha256(asked["text"].encode()).digest())
    answer["clientExtensionResults"] = {"prf": {"results": {"first": "AAAA"}}}
    told = holder.post(f"/key-requests/{asked['id']}/consent", {"assertion": answer}, 400)
    assert "sent more than the signature" in told["error"]["message"]


def test_a_swapped_public_key_is_put_right_at_the_start(
    site: Site, keeper: Page, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    four_eyes(site, keeper)
    path = settings.CONTROL.data / "recipients.json"
    right = read_recipients(path)
    replace_recipients(path, read_recipients(make_site(tmp_path / "thief").recipients))
    put_right()
    assert read_recipients(path) == right
    assert "did not name the keys of the custody policy" in caplog.text
    assert {each.role for each in right.recipients} == {KeyRole.VIEWER.value, KeyRole.APPROVER.value}
