"""Looks that security keys open: presence, four eyes, and everything that must open nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.utils import timezone

from acts_rig import Written
from control_rig import person_with
from keys_in_hand import ORIGIN, Page, SoftKey
from looks_rig import FROM, TO, Scene, finish, look, looking, wanted
from overt.control.acts import book as books
from overt.control.custody import requests
from overt.control.custody.models import KeyRequest, Keyring, PolicyInForce, SecurityKey
from overt.control.custody.policies import Policy
from overt.control.people.actions import Action
from overt.control.viewing import holding
from overt.errors import ForbiddenError, UnavailableError
from overt.sealing import keyring as keyrings
from overt.sealing.custody import open_with_passphrase, read_key_file
from overt.sealing.keyring import open_keyring
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipient, Recipients, RoleKey
from overt.sealing.wraps import begin_period, unwrap
from recorder_rig import PASSPHRASE, make_site

pytestmark = pytest.mark.django_db


@pytest.fixture(name="scene")
def _scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with looking(tmp_path, monkeypatch) as scene:
        yield scene


def test_presence_opens_with_a_touch_and_writes_it_down_before(scene: Scene) -> None:
    viewers = scene.enrolled("viewer", "Olive")
    scene.policy(Policy.PRESENCE)
    period = scene.record()
    written, olive = Written.from_now(), viewers[0]
    grant = look(olive)
    assert grant["recorded"] == ["market"]
    assert grant["shut"] is True
    assert scene.given(grant["id"]) == {}
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    assert json.loads(asked["text"])["cameras"] == ["market"]
    assert json.loads(asked["text"])["reference"] == "INC-7"
    assert scene.given(grant["id"]) == {}
    shown = finish(olive, grant, asked)
    assert shown["shut"] is False
    assert list(scene.given(grant["id"])) == [period]
    leaves = written.leaves("look.")
    assert [kind for kind, _ in leaves] == ["look.asked", "look.touched", "look.opened"]
    touched, opened = leaves[1][1], leaves[2][1]
    assert touched["request"] == opened["request"] == asked["id"]
    assert json.loads(touched["text"])["footage"]["from"].startswith("2027-01-")
    assert opened["reference"] == "INC-7"
    # Nothing of what was opened stays in a row.
    assert KeyRequest.objects.get(pk=asked["id"]).sealed == {}


def test_four_eyes_open_with_two_people_at_two_desks(scene: Scene) -> None:
    viewers, approvers = scene.enrolled("viewer", "Olive"), scene.enrolled("approver", "Dana")
    scene.policy(Policy.FOUR_EYES)
    period = scene.record()
    written, olive, dana = Written.from_now(), viewers[0], approvers[1]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    assert (asked["turn"], asked["credentials"]) == ("approver", [])
    # The viewer's own key does not open it, nor does their page.
    assert "somebody else approves" in olive.touch(asked, 403)["error"]["message"]
    path = f"/viewing/grants/{grant['id']}/keys/{asked['id']}"
    assert "Somebody else has to answer first" in olive.post(path, {"opened": {}}, 409)["error"]["message"]
    # The approver sees what is asked, on their own page.
    page = dana.client.get(f"/key-requests/{asked['id']}", secure=True).content.decode()
    assert "Olive 0" in page
    assert "INC-7" in page
    assert dana.answer(dana.get(f"/key-requests/{asked['id']}/state"))["done"] is False
    assert scene.given(grant["id"]) == {}
    asked = olive.get(f"/key-requests/{asked['id']}/state")
    assert asked["turn"] == "viewer"
    finish(olive, grant, asked)
    assert list(scene.given(grant["id"])) == [period]
    who = [body["who"]["name"] for body in written.bodies("look.touched")]
    assert who == ["Dana 1", "Olive 0"]


def test_the_roots_are_those_of_the_footage(scene: Scene) -> None:
    viewers = scene.enrolled("viewer", "Olive")
    role_key = _role_key(scene, viewers[0], "viewer")
    scene.policy(Policy.PRESENCE)
    period = scene.record()
    grant = look(viewers[0])
    finish(viewers[0], grant, viewers[0].post(f"/viewing/grants/{grant['id']}/keys"))
    wrapped = scene.recorder.wraps[period]
    assert scene.given(grant["id"])[period] == unwrap(wrapped, [role_key])


def _role_key(scene: Scene, page: Page, role: str) -> RoleKey:
    return open_keyring(Keyring.objects.get(role=role).sealed, page.key.identity).role_key("Northshire")


def test_the_page_of_an_act_checks_what_the_key_has_signed(scene: Scene) -> None:
    viewers = scene.present()
    grant = look(viewers[0])
    number = books.book().size
    finish(viewers[0], grant, viewers[0].post(f"/viewing/grants/{grant['id']}/keys"))
    auditor = Page(person_with(Action.READ_LEDGER, name="Ada Auditor"))
    page = auditor.client.get(f"/acts/{number}", secure=True).content.decode()
    assert "Touched a security key" in page
    assert "good: the key “Blue key” has signed this text, on the page https://testserver" in page
    assert "NOT good" not in page


# --- attacks ----------------------------------------------------------------------------------------------------------


def test_attack_a_key_that_is_not_touched_opens_nothing(scene: Scene) -> None:
    viewers = scene.present()
    grant = look(viewers[0])
    asked = viewers[0].post(f"/viewing/grants/{grant['id']}/keys")
    path = f"/viewing/grants/{grant['id']}/keys/{asked['id']}"
    assert "has to answer first" in viewers[0].post(path, {"opened": {}}, 409)["error"]["message"]
    assert scene.given(grant["id"]) == {}


def test_attack_a_replayed_assertion(scene: Scene) -> None:
    viewers = scene.present()
    olive = viewers[0]
    olive.key.counts = False
    SecurityKey.objects.filter(holder=olive.person).update(sign_count=0)
    olive.key.count = 0
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    answer = olive.key.assertion(hashlib.sha256(asked["text"].encode()).digest())
    path = f"/key-requests/{asked['id']}/consent"
    opened = olive.opened(olive.post(path, {"assertion": answer}))
    olive.post(f"/viewing/grants/{grant['id']}/keys/{asked['id']}", {"opened": opened})
    # The same request, once more.
    assert "was answered" in olive.post(path, {"assertion": answer}, 403)["error"]["message"]
    # Another request, with the answer to the first.
    again = olive.post(f"/viewing/grants/{grant['id']}/keys")
    told = olive.post(f"/key-requests/{again['id']}/consent", {"assertion": answer}, 403)
    assert "Wrong challenge" in told["error"]["message"]


def test_attack_an_assertion_for_other_hours(scene: Scene) -> None:
    viewers = scene.present()
    olive = viewers[0]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    told = json.loads(asked["text"])
    told["footage"]["from"] = "2020-01-01T00:00:00.000000000+00:00"
    wider = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "Wrong challenge" in olive.touch({**asked, "text": wider}, 403)["error"]["message"]
    # A request that was answered opens the hours that it names, and no page that shows others by now.
    opened = olive.opened(olive.touch(asked))
    olive.post(f"/viewing/grants/{grant['id']}", wanted("INC-7b", from_us=FROM - 10**9))
    path = f"/viewing/grants/{grant['id']}/keys/{asked['id']}"
    assert "something else by now" in olive.post(path, {"opened": opened}, 409)["error"]["message"]
    assert scene.given(grant["id"]) == {}


def test_attack_somebody_elses_request_and_grant(scene: Scene) -> None:
    viewers = scene.present()
    olive, other = viewers[0], viewers[1]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    assert "for Olive 0 to answer" in other.touch(asked, 403)["error"]["message"]
    theirs = look(other, reference="INC-8")
    path = f"/viewing/grants/{theirs['id']}/keys/{asked['id']}"
    opened = olive.opened(olive.touch(asked))
    assert "not this page’s" in other.post(path, {"opened": opened}, 403)["error"]["message"]
    told = other.post(f"/key-requests/{asked['id']}/bring", {"opened": opened}, 403)
    assert "brought by the page that shows it" in told["error"]["message"]


def test_attack_an_assertion_from_another_page(scene: Scene) -> None:
    viewers = scene.present()
    olive = viewers[0]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    challenge = hashlib.sha256(asked["text"].encode()).digest()
    for origin, rp_id, words in (
        ("https://testserver.elsewhere.example", "testserver", "Invalid origin"),
        (ORIGIN, "elsewhere.example", "Wrong RP ID"),
    ):
        answer = olive.key.assertion(challenge, origin, rp_id)
        told = olive.post(f"/key-requests/{asked['id']}/consent", {"assertion": answer}, 403)
        assert words in told["error"]["message"]


def test_attack_a_copied_key_is_noticed_by_its_counter(scene: Scene) -> None:
    viewers = scene.present()
    olive = viewers[0]
    copy = SoftKey(
        private=olive.key.private, credential_id=olive.key.credential_id, secret=olive.key.secret, count=olive.key.count
    )
    grant = look(olive)
    finish(olive, grant, olive.post(f"/viewing/grants/{grant['id']}/keys"))
    olive.key = copy
    again = olive.post(f"/viewing/grants/{grant['id']}/keys")
    assert "there may be a copy of it" in olive.touch(again, 403)["error"]["message"]


def test_attack_one_person_with_both_keys(scene: Scene) -> None:
    viewers, approvers = scene.enrolled("viewer", "Olive"), scene.enrolled("approver", "Dana")
    scene.policy(Policy.FOUR_EYES)
    scene.record()
    olive = viewers[0]
    # An administrator writes the other role's key into the database as hers.
    SecurityKey.objects.filter(holder=approvers[0].person).update(holder=olive.person)
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    olive.key = approvers[0].key
    assert "somebody else approves" in olive.touch(asked, 403)["error"]["message"]


def test_attack_a_public_key_that_was_swapped_is_noticed_when_it_does_not_open(scene: Scene, tmp_path: Path) -> None:
    viewers = scene.enrolled("viewer", "Olive")
    scene.policy(Policy.PRESENCE)
    period = scene.record()
    # The wrap says the right key id, and is sealed to another's key.
    stranger = make_site(tmp_path / "thief", "Thief").role
    wrapped = scene.recorder.wraps[period]
    false = Recipients(wrapped.site_id, "x", (Recipient("viewer", stranger.public_key),))
    _, other = begin_period(false, wrapped.key, wrapped.period_id)
    scene.recorder.put(type(wrapped)(wrapped.site_id, wrapped.period_id, wrapped.key, wrapped.layers, other.sealed))
    written, olive = Written.from_now(), viewers[0]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    olive.touch(asked)
    path = f"/viewing/grants/{grant['id']}/keys/{asked['id']}"
    assert olive.post(path, {"opened": {}, "failed": [period]})["failed"] == 1
    assert written.bodies("key.does-not-open")[0]["periods"] == [period]
    assert scene.given(grant["id"]) == {}


def test_attack_a_keyring_swapped_for_anothers_opens_nothing(scene: Scene) -> None:
    viewers = scene.present()
    grant = look(viewers[0])
    asked = viewers[0].post(f"/viewing/grants/{grant['id']}/keys")
    stranger = SoftKey()
    held = keyrings.HeldKey(timezone.now(), X25519PrivateKey.generate())
    ring = keyrings.Keyring(read_recipients(scene.site.recipients).site_id, "viewer", (held,))
    sealed = keyrings.seal_keyring(ring, [keyrings.recipient_of(stranger.identity)])
    Keyring.objects.filter(role="viewer").update(sealed=sealed)
    material = viewers[0].touch(asked)
    with pytest.raises(ForbiddenError, match="does not open with this secret"):
        viewers[0].opened(material)


def test_attack_a_policy_row_written_by_an_administrator_opens_no_footage(scene: Scene) -> None:
    viewers = scene.present()
    PolicyInForce.objects.all().delete()
    scene.custody.unlock(PASSPHRASE)
    grant = look(viewers[0])
    # The control room believes that the passphrase is enough; what was sealed to keys in hand stays shut.
    assert scene.given(grant["id"]) == {}


def test_attack_no_leaf_no_footage(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    viewers = scene.present()
    olive = viewers[0]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    opened_before = scene.given(grant["id"])

    def full(*_: object) -> None:
        raise UnavailableError("the disk of the ledger is full")

    ledger = books.book()
    monkeypatch.setattr(type(ledger), "append", full)
    assert "disk of the ledger is full" in olive.touch(asked, 503)["error"]["message"]
    monkeypatch.undo()
    # Nothing was given out, and the request can be answered when there is room.
    found = KeyRequest.objects.get(pk=asked["id"])
    assert (found.given, found.state) == ([], "open")
    assert opened_before == {}


def test_a_request_is_refused_and_ends_by_itself(scene: Scene) -> None:
    viewers, approvers = scene.enrolled("viewer", "Olive"), scene.enrolled("approver", "Dana")
    scene.policy(Policy.FOUR_EYES)
    scene.record()
    written, olive = Written.from_now(), viewers[0]
    grant = look(olive)
    asked = olive.post(f"/viewing/grants/{grant['id']}/keys")
    assert approvers[0].post(f"/key-requests/{asked['id']}/refuse")["state"] == "refused"
    assert "was refused" in approvers[1].touch(asked, 403)["error"]["message"]
    assert written.bodies("key.request-refused")[0]["who"]["name"] == "Dana 0"
    late = olive.post(f"/viewing/grants/{grant['id']}/keys")
    KeyRequest.objects.filter(pk=late["id"]).update(expires=timezone.now())
    assert "too old" in approvers[0].touch(late, 403)["error"]["message"]
    assert requests.tidy() == 1
    assert KeyRequest.objects.get(pk=late["id"]).sealed == {}


def test_what_was_sealed_before_opens_as_it_was_sealed(scene: Scene) -> None:
    before = scene.record()
    scene.custody.unlock(PASSPHRASE)
    viewers = scene.enrolled("viewer", "Olive")
    scene.policy(Policy.PRESENCE)
    after = scene.record()
    grant = look(viewers[0])
    # Under the new policy nothing recorded opens without a touch, whoever it is sealed to.
    assert scene.given(grant["id"]) == {}
    finish(viewers[0], grant, viewers[0].post(f"/viewing/grants/{grant['id']}/keys"))
    assert set(scene.given(grant["id"])) == {before, after}
    custodian = open_with_passphrase(read_key_file(scene.site.key), PASSPHRASE)
    assert scene.given(grant["id"])[before] == unwrap(scene.recorder.wraps[before], [custodian])


def test_the_recovery_on_paper_counts_as_a_touch_and_is_loud(scene: Scene) -> None:
    keeper = scene.keeper
    scene.enrolled("viewer", "Olive")
    recovery = scene.papers["viewer"]
    # Every key is lost; the keeper has the paper, and seals the keyring to a new one.
    SecurityKey.objects.update(state="ended")
    new = Page(person_with(Action.RECORDED, name="Nia New"))
    SecurityKey.objects.filter(pk=new.register("viewer")).update(state="approved")
    written = Written.from_now()
    asked = keeper.post("/keyrings/viewer/ask")
    number = scene.number_on_paper(asked)
    wrong = keeper.post(f"/key-requests/{asked['id']}/recover", {"number": "A" * 43}, 403)
    assert "not the recovery of this role" in wrong["error"]["message"]
    # One try each: the number that was begun is spent.
    assert keeper.post(f"/key-requests/{asked['id']}/recover", {"number": number}, 403)
    material = scene.shows_paper(asked)
    keeper.bring_keyring(asked, open_keyring(material["keyring"], recovery))
    assert open_keyring(Keyring.objects.get(role="viewer").sealed, new.key.identity)
    assert len(written.bodies("key.recovery-used")) == 1


def test_whoever_does_not_keep_keys_breaks_no_glass(scene: Scene) -> None:
    viewers = scene.present()
    grant = look(viewers[0])
    asked = viewers[0].post(f"/viewing/grants/{grant['id']}/keys")
    answer = viewers[0].client.post(f"/key-requests/{asked['id']}/begin-recovery", content_type="application/json")
    assert answer.status_code == 403


def test_the_paper_does_not_look_in_another_persons_place(scene: Scene) -> None:
    viewers = scene.present()
    grant = look(viewers[0])
    asked = viewers[0].post(f"/viewing/grants/{grant['id']}/keys")
    told = scene.shows_paper(asked, 403)
    assert "for Olive 0 to answer" in told["error"]["message"]


def test_a_drill_opens_one_period_of_each_camera_and_keeps_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewers, approvers = scene.enrolled("viewer", "Olive"), scene.enrolled("approver", "Dana")
    scene.policy(Policy.FOUR_EYES)
    scene.record()
    scene.record()
    written = Written.from_now()
    asked = viewers[0].post("/viewing/key-drill")
    assert approvers[0].answer(asked)["done"] is False
    said = viewers[1].answer(viewers[1].get(f"/key-requests/{asked['id']}/state"))
    assert said == {"done": True, "said": "1 key periods opened, as they should. What they hold was not looked at."}
    assert Keyring.objects.get(role="viewer").drilled is not None
    assert written.bodies("keyring.drilled")[0]["opened"] == 1
    assert scene.media.roots == {}


def test_what_begins_while_somebody_looks_waits_for_another_touch(scene: Scene) -> None:
    viewers = scene.enrolled("viewer", "Olive")
    scene.policy(Policy.PRESENCE)
    first = scene.record()
    olive = viewers[0]
    grant = look(olive)
    shown = finish(olive, grant, olive.post(f"/viewing/grants/{grant['id']}/keys"))
    assert shown["opened_until_us"] == TO
    second = scene.record()
    scene.clock.pass_s(5)
    holding.holder().look()
    assert set(scene.given(grant["id"])) == {first}
    finish(olive, grant, olive.post(f"/viewing/grants/{grant['id']}/keys"))
    assert set(scene.given(grant["id"])) == {first, second}


def test_a_media_process_that_began_anew_waits_for_another_touch(scene: Scene) -> None:
    viewers = scene.present()
    olive = viewers[0]
    grant = look(olive)
    finish(olive, grant, olive.post(f"/viewing/grants/{grant['id']}/keys"))
    scene.media.restart()
    scene.clock.pass_s(5)
    olive.post(f"/viewing/grants/{grant['id']}/heartbeat")
    holding.holder().look()
    assert olive.post(f"/viewing/grants/{grant['id']}/heartbeat")["shut"] is True
    assert scene.given(grant["id"]) == {}
