"""`overt ledger consents`: an administrator who writes leaves cannot write what no security key has signed."""

from __future__ import annotations

import copy
import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from fido2.utils import websafe_encode

from acts_rig import fresh_ledger
from control_rig import person_with
from keys_in_hand import BE, BS, Page, SoftKey
from looks_rig import Scene, finish, look, looking
from overt.cli.main import main
from overt.control.acts.kinds import Kind
from overt.control.acts.pruning import prune
from overt.control.custody.assertions import kept
from overt.control.custody.models import SecurityKey
from overt.control.custody.policies import Policy
from overt.control.custody.texts import challenge_of
from overt.control.people.actions import Action
from overt.ledger.leaves import Entry
from overt.ledger.ledger import Ledger
from overt.ledger.reader import LedgerReader
from overt.sealing.keyring import open_keyring, recipient_of
from prf_identity import identity_of_prf
from recorder_rig import PASSPHRASE
from viewing_rig import HandClock

Told = tuple[int, dict[str, Any]]


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path / "ledger") as ledger:
        yield ledger


@pytest.fixture(name="scene")
def _scene(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with looking(tmp_path, monkeypatch) as scene:
        yield scene


@pytest.fixture(name="consents")
def _consents(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], Told]:
    """Runs the command; its exit code, and what it prints."""

    def run() -> Told:
        capsys.readouterr()
        code = main(["ledger", "consents", str(tmp_path / "ledger"), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def looked(page: Page, **more: Any) -> None:
    """Look with a touch."""
    grant = look(page, **more)
    finish(page, grant, page.post(f"/viewing/grants/{grant['id']}/keys"))


def bodies(ledger: Ledger, kind: str) -> list[dict[str, Any]]:
    reader = LedgerReader(ledger.directory)
    return [copy.deepcopy(body.value()) for _, body in reader.read_bodies(reader.leaves(kinds=[kind])) if body]


@pytest.mark.django_db
def test_a_system_that_does_as_it_says_is_borne_out(scene: Scene, consents: Callable[[], Told]) -> None:
    """Two roles, looks, a drill, a late key, a lost one, a rotation, and the way back to the passphrase."""
    viewers, approvers = scene.enrolled("viewer", "Olive"), scene.enrolled("approver", "Dana")
    scene.custody.unlock(PASSPHRASE)
    assert look(viewers[0], reference="INC-1")["shut"] is False
    scene.policy(Policy.FOUR_EYES)
    scene.record()
    grant = look(viewers[0])
    asked = viewers[0].post(f"/viewing/grants/{grant['id']}/keys")
    approvers[1].answer(approvers[1].get(f"/key-requests/{asked['id']}/state"))
    finish(viewers[0], grant, viewers[0].get(f"/key-requests/{asked['id']}/state"))
    drill = viewers[1].post("/viewing/key-drill")
    approvers[0].answer(drill)
    viewers[1].answer(viewers[1].get(f"/key-requests/{drill['id']}/state"))
    late = Page(person_with(Action.RECORDED, name="Late Holder"))
    wanted = scene.keeper.post(f"/keys/{late.register('viewer')}/ask-approval")
    approvers[0].answer(wanted)
    viewers[0].seal_anew("viewer")
    lost = SecurityKey.objects.get(holder=viewers[2].person)
    assert scene.keeper.client.post(f"/keys/{lost.pk}/end", {"why": "It was lost or stolen"}).status_code == 302
    viewers[0].seal_anew("viewer")
    asked = scene.keeper.post("/custody/ask", {"policy": "custodian"})
    approvers[1].answer(asked)
    viewers[1].answer(viewers[1].get(f"/key-requests/{asked['id']}/state"))
    code, told = consents()
    assert (code, told["findings"], told["sound"]) == (0, [], True)
    assert (told["looks"], told["looks_without_keys"], told["touches"]) == (1, 1, 14)
    states = {each["holder"]["name"]: each["state"] for each in told["keys"]}
    assert states == dict.fromkeys(states, "approved") | {"Olive 2": "out of use"}
    assert len(states) == 7
    assert told["recoveries"] == []


@pytest.mark.django_db
def test_a_recovery_on_paper_is_told_and_is_no_fault(scene: Scene, consents: Callable[[], Told]) -> None:
    scene.enrolled("viewer", "Olive")
    asked = scene.keeper.post("/keyrings/viewer/ask")
    material = scene.shows_paper(asked)
    recovery = scene.papers["viewer"]
    scene.keeper.bring_keyring(asked, open_keyring(material["keyring"], recovery))
    code, told = consents()
    assert (code, told["findings"]) == (0, [])
    assert len(told["recoveries"]) == 1
    assert main(["ledger", "consents", told["ledger"]]) == 0


@pytest.mark.django_db
def test_a_ledger_about_other_things_says_so(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.append(Entry(Kind.STARTED.value, {}))
    assert main(["ledger", "consents", str(ledger.directory)]) == 0
    assert "is this the control room's ledger?" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_ledger_that_is_not_sound_proves_nothing(
    scene: Scene, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    looked(scene.present()[0])
    path = next((ledger.directory / "bodies").rglob("*0*"))
    path.write_bytes(path.read_bytes().replace(b"INC-7", b"INC-8"))
    assert main(["ledger", "consents", str(ledger.directory)]) == 7
    assert "proves nothing about consents" in capsys.readouterr().err


@pytest.mark.django_db
def test_details_that_were_removed_are_counted_and_no_fault(
    scene: Scene, ledger: Ledger, consents: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(scene.present()[0])
    later = timezone.now() + dt.timedelta(days=50)
    with monkeypatch.context() as clock:
        clock.setattr(ledger, "_clock", HandClock(int(later.timestamp()) * 10**9))
        prune(31, later)
    code, told = consents()
    assert (code, told["findings"], told["looks"]) == (0, [], 0)
    assert told["pruned"] == 2
    looked(scene.holders["viewer"], reference="INC-9")
    code, told = consents()
    assert (code, told["findings"], told["looks"]) == (0, [], 1)


# --- attacks: whoever runs the system holds the ledger's key, and writes what they like -------------------------------

Forgery = Callable[["Forger"], None]


class Forger:
    """An administrator, after somebody has looked once with their key in hand."""

    def __init__(self, scene: Scene, ledger: Ledger) -> None:
        self.scene, self.ledger = scene, ledger
        self.olive = scene.present()[0]
        looked(self.olive)
        self.touched, self.opened = bodies(ledger, "look.touched")[0], bodies(ledger, "look.opened")[0]
        self.proposed, self.approved = bodies(ledger, "key.proposed"), bodies(ledger, "key.approved")
        self.sealed = bodies(ledger, "keyring.founded")[0]

    def write(self, kind: Kind, body: dict[str, Any], **changes: Any) -> None:
        self.ledger.append(Entry(kind.value, {**body, **changes}))

    def text(self, **changes: Any) -> dict[str, Any]:
        """Another request like the one that was signed: what a leaf about it says."""
        told = {**json.loads(self.touched["text"]), "id": str(uuid4()), **changes}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return {"request": told["id"], "text": text}

    def signs(self, key: SoftKey, /, **changes: Any) -> dict[str, Any]:
        """A touch of a key for another request."""
        made = self.text(**changes)
        return {**self.touched, **made, "assertion": kept(key.assertion(challenge_of(made["text"])))}

    def another(self, role: str = "viewer", **who: Any) -> SoftKey:
        """Register a key that the administrator holds, under a name that they choose, and approve it."""
        key, told = SoftKey(), dict(self.proposed[0])
        told |= {"key": {"id": str(uuid4()), "name": "Shadow"}, "key_role": role, "credential": credential_of(key)}
        told |= who
        self.write(Kind.SECURITY_KEY_PROPOSED, told)
        approval = {**told, "who": self.approved[0]["who"]}
        if role == "approver":  # whoever holds the other role's key has to agree
            what = {"id": told["key"]["id"], "recipient": told["recipient"]}
            agreed = self.signs(self.olive.key, kind="approve", key=what)
            self.write(Kind.KEY_TOUCHED, agreed)
            approval["request"] = agreed["request"]
        self.write(Kind.SECURITY_KEY_APPROVED, approval)
        self.shadow = told
        return key


def credential_of(key: SoftKey) -> str:
    return websafe_encode(key.credential)


def invents_a_touch(forger: Forger) -> None:
    """A signature of the administrator's own key under the holder's name."""
    forger.write(Kind.LOOK_TOUCHED, forger.signs(SoftKey()))


def swaps_the_credential(forger: Forger) -> None:
    key = SoftKey()
    forger.write(Kind.LOOK_TOUCHED, forger.signs(key), credential=credential_of(key))


def signs_other_hours_with_an_old_touch(forger: Forger) -> None:
    hours = {"from": "2020-01-01T00:00:00.000000000Z", "to": "2020-01-02T00:00:00.000000000Z"}
    forger.write(Kind.LOOK_TOUCHED, {**forger.touched, **forger.text(footage=hours)})


def writes_an_old_touch_again(forger: Forger) -> None:
    forger.write(Kind.LOOK_TOUCHED, forger.touched)


def names_another_request(forger: Forger) -> None:
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key), request=str(uuid4()))


def shows_other_cameras_than_were_signed(forger: Forger) -> None:
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key), cameras=["market", "school"])


def lets_somebody_else_touch(forger: Forger) -> None:
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key), who=forger.approved[0]["who"])


def uses_a_copied_passkey(forger: Forger) -> None:
    forger.olive.key.flags |= BE | BS
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key))


def does_not_verify_the_person(forger: Forger) -> None:
    forger.olive.key.flags = 1
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key))


def asks_on_another_site(forger: Forger) -> None:
    made = forger.text()
    answer = forger.olive.key.assertion(challenge_of(made["text"]), "https://evil.example", "evil.example")
    forger.write(Kind.LOOK_TOUCHED, {**forger.touched, **made, "assertion": kept(answer)})


def uses_a_key_after_its_end(forger: Forger) -> None:
    forger.write(Kind.SECURITY_KEY_ENDED, forger.proposed[0])
    forger.write(Kind.LOOK_TOUCHED, forger.signs(forger.olive.key))


def takes_a_drill_for_a_look(forger: Forger) -> None:
    made = forger.signs(forger.olive.key, kind="drill")
    forger.write(Kind.KEY_TOUCHED, made)
    forger.write(Kind.LOOK_OPENED, forger.opened, request=made["request"])


def opens_without_asking(forger: Forger) -> None:
    forger.write(Kind.LOOK_OPENED, {name: value for name, value in forger.opened.items() if name != "request"})


def opens_what_nobody_touched(forger: Forger) -> None:
    forger.write(Kind.LOOK_OPENED, forger.opened, request=str(uuid4()))


def opens_twice(forger: Forger) -> None:
    forger.write(Kind.LOOK_OPENED, forger.opened)


def opens_more(**changes: Any) -> Forgery:
    def forge(forger: Forger) -> None:
        made = forger.signs(forger.olive.key)
        forger.write(Kind.LOOK_TOUCHED, made)
        forger.write(Kind.LOOK_OPENED, {**forger.opened, "request": made["request"], **changes})

    return forge


def opens_hours_after_the_touch(forger: Forger) -> None:
    made = forger.signs(forger.olive.key)
    forger.write(Kind.LOOK_TOUCHED, made)
    later = timezone.now() + dt.timedelta(hours=1, minutes=1)
    forger.ledger._clock = HandClock(int(later.timestamp()) * 10**9)
    forger.write(Kind.LOOK_OPENED, forger.opened, request=made["request"])


def opens_for_another(forger: Forger) -> None:
    made = forger.signs(forger.olive.key)
    forger.write(Kind.LOOK_TOUCHED, made)
    forger.write(Kind.LOOK_OPENED, forger.opened, request=made["request"], who=forger.approved[0]["who"])


def opens_four_eyes_with_one(forger: Forger) -> None:
    made = forger.signs(forger.olive.key, roles=["approver", "viewer"])
    forger.write(Kind.LOOK_TOUCHED, made)
    forger.write(Kind.LOOK_OPENED, forger.opened, request=made["request"])


def lets_one_person_touch_in_both_roles(forger: Forger) -> None:
    made = forger.signs(forger.olive.key, roles=["approver", "viewer"])
    forger.write(Kind.LOOK_TOUCHED, made)
    key = forger.another("approver", who=forger.touched["who"], person=forger.proposed[0]["person"])
    answer = kept(key.assertion(challenge_of(made["text"])))
    shadow = {"key": forger.shadow["key"], "credential": forger.shadow["credential"], "key_role": "approver"}
    forger.write(Kind.LOOK_TOUCHED, {**made, **shadow, "assertion": answer})


def leaves_the_policy(forger: Forger) -> None:
    forger.write(Kind.POLICY_CHANGED, {"who": forger.approved[0]["who"], "policy": "custodian"})


def leaves_the_policy_for_another_than_was_agreed(forger: Forger) -> None:
    made = forger.signs(
        forger.olive.key, kind="policy", policy="four-eyes", before="presence", cameras=[], reference=""
    )
    forger.write(Kind.KEY_TOUCHED, {**made, "cameras": [], "reference": ""})
    body = {"who": forger.approved[0]["who"], "policy": "custodian", "request": made["request"]}
    forger.write(Kind.POLICY_CHANGED, body)


def registers_a_key_in_anothers_name(forger: Forger) -> None:
    forger.another(who=forger.approved[0]["who"])


def lets_a_holder_approve_their_own_key(forger: Forger) -> None:
    forger.write(Kind.SECURITY_KEY_APPROVED, forger.proposed[0])


def uses_a_key_that_nobody_approved(forger: Forger) -> None:
    key, told = SoftKey(), {**forger.proposed[0], "key": {"id": str(uuid4()), "name": "New"}}
    told["credential"] = credential_of(key)
    forger.write(Kind.SECURITY_KEY_PROPOSED, told)
    forger.write(Kind.LOOK_TOUCHED, forger.signs(key), key=told["key"], credential=told["credential"])


def registers_a_key_again(forger: Forger) -> None:
    forger.write(Kind.SECURITY_KEY_PROPOSED, forger.proposed[0], credential=credential_of(SoftKey()))


def seals_the_keyring_to_another(forger: Forger) -> None:
    stranger = recipient_of(identity_of_prf(os.urandom(32), b"stranger"))
    told = json.loads(bodies(forger.ledger, "key.touched")[0]["text"])
    made = forger.signs(forger.olive.key, **{**told, "id": str(uuid4()), "new_public_key": ""})
    forger.write(Kind.KEY_TOUCHED, made)
    told = {**forger.sealed, "request": made["request"], "new_role_key": False}
    forger.write(Kind.KEYRING_SEALED, told, recipients=[*forger.sealed["recipients"], stranger])


def seals_the_keyring_to_a_key_of_the_database(forger: Forger) -> None:
    """A holder agreed to it: the page had listed it among the keys of the role."""
    told = json.loads(bodies(forger.ledger, "key.touched")[0]["text"])
    stranger = {"id": str(uuid4()), "recipient": recipient_of(identity_of_prf(os.urandom(32), b"stranger"))}
    told |= {"id": str(uuid4()), "new_public_key": "", "keys": [*told["keys"], stranger]}
    made = forger.signs(forger.olive.key, **told)
    forger.write(Kind.KEY_TOUCHED, made)
    told = {**forger.sealed, "request": json.loads(made["text"])["id"], "new_role_key": False}
    recipients = [*forger.sealed["recipients"], stranger["recipient"]]
    forger.write(Kind.KEYRING_SEALED, told, recipients=recipients)


def hides_what_a_look_was(forger: Forger) -> None:
    opens_without_asking(forger)
    forger.ledger.prune([forger.ledger.size - 1])


def hides_what_a_look_was_and_calls_it_old(forger: Forger) -> None:
    opens_without_asking(forger)
    last = forger.ledger.size - 1
    forger.write(Kind.PRUNED, {"below": last + 1, "kinds": ["look."], "keep_days": 31})
    forger.ledger.prune([last])


def hides_a_leaf_of_another_kind(forger: Forger) -> None:
    leaves_the_policy(forger)
    last = forger.ledger.size - 1
    later = timezone.now() + dt.timedelta(days=50)
    forger.ledger._clock = HandClock(int(later.timestamp()) * 10**9)
    forger.write(Kind.PRUNED, {"below": last + 1, "kinds": ["look."], "keep_days": 31})
    forger.ledger.prune([last])


def writes_no_body_that_can_be_read(forger: Forger) -> None:
    forger.write(Kind.LOOK_OPENED, {"who": "Olive"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("forge", "faults"),
    [
        (invents_a_touch, ["signature"]),
        (swaps_the_credential, ["key"]),
        (signs_other_hours_with_an_old_touch, ["signature"]),
        (writes_an_old_touch_again, ["counter"]),
        (names_another_request, ["request"]),
        (shows_other_cameras_than_were_signed, ["request"]),
        (lets_somebody_else_touch, ["person"]),
        (uses_a_copied_passkey, ["signature"]),
        (does_not_verify_the_person, ["signature"]),
        (asks_on_another_site, ["signature"]),
        (uses_a_key_after_its_end, ["key"]),
        (takes_a_drill_for_a_look, ["beyond-consent"]),
        (opens_without_asking, ["without-consent"]),
        (opens_what_nobody_touched, ["without-consent"]),
        (opens_twice, ["beyond-consent"]),
        (opens_more(cameras=["market", "school"]), ["beyond-consent"]),
        (opens_more(footage={"from": "2020-01-01T00:00:00Z", "to": "2027-01-02T00:00:00Z"}), ["beyond-consent"]),
        (opens_more(purpose={"name": "Curiosity", "legal_basis": "None"}), ["beyond-consent"]),
        (opens_more(reference="INC-8"), ["beyond-consent"]),
        (opens_more(grant=str(uuid4())), ["beyond-consent"]),
        (opens_hours_after_the_touch, ["beyond-consent"]),
        (opens_for_another, ["beyond-consent"]),
        (opens_four_eyes_with_one, ["without-consent"]),
        (lets_one_person_touch_in_both_roles, ["person"]),
        (leaves_the_policy, ["without-consent"]),
        (leaves_the_policy_for_another_than_was_agreed, ["beyond-consent"]),
        (registers_a_key_in_anothers_name, ["person", "key"]),
        (lets_a_holder_approve_their_own_key, ["person"]),
        (uses_a_key_that_nobody_approved, ["key"]),
        (registers_a_key_again, ["key"]),
        (seals_the_keyring_to_another, ["beyond-consent"]),
        (seals_the_keyring_to_a_key_of_the_database, ["key"]),
        (hides_what_a_look_was, ["removed"]),
        (hides_what_a_look_was_and_calls_it_old, ["removed"]),
        (hides_a_leaf_of_another_kind, ["removed"]),
        (writes_no_body_that_can_be_read, ["form"]),
    ],
)
def test_attack_leaves_that_an_administrator_invents(
    scene: Scene, ledger: Ledger, consents: Callable[[], Told], forge: Forgery, faults: list[str]
) -> None:
    forger = Forger(scene, ledger)
    assert consents()[1]["findings"] == []
    before = ledger.size
    forge(forger)
    code, told = consents()
    assert code == 7
    assert [each["kind"] for each in told["findings"]] == faults
    assert all(each["leaf"] >= before for each in told["findings"])


@pytest.mark.django_db
def test_what_an_invented_key_shows_is_a_key_that_nobody_holds(
    scene: Scene, ledger: Ledger, consents: Callable[[], Told]
) -> None:
    """The limit: a whole invented person with a key bears itself out. The list of keys is what gives it away."""
    forger = Forger(scene, ledger)
    forger.another()
    code, told = consents()
    assert (code, told["findings"]) == (0, [])
    assert "Shadow" in [each["name"] for each in told["keys"]]
