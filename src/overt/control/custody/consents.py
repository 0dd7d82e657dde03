"""Do the leaves of a ledger bear each other out: was everything that keys in hand guard agreed to by those keys?

Works on a ledger, or a copy of it with bodies, and on nothing else: no database, no page, no running system. Whoever
runs the system can write leaves; they cannot write what a security key has not signed. What this takes from the ledger
is which keys there are and whose: the list is part of what is found, to be held against the keys in people's hands.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError

from overt.control.acts.kinds import Kind
from overt.control.custody import texts
from overt.control.custody.assertions import check_kept
from overt.control.custody.leaf_bodies import (
    Answered,
    Asked,
    Drilled,
    Ended,
    Named,
    Opened,
    PolicyChanged,
    Proposed,
    Removed,
    Sealed,
    Touched,
)
from overt.control.custody.policies import ROLE_WORDS, ROLES, TOGETHER, KeyRole, Policy
from overt.errors import CorruptError
from overt.ledger.leaves import Leaf

DAY_NS: Final = 24 * 3600 * 10**9
TOGETHER_NS: Final = int(TOGETHER.total_seconds()) * 10**9


class Fault(StrEnum):
    """Kinds of finding; the values are printed."""

    FORM = "form"
    """A body is not of the form that its kind has."""
    KEY = "key"
    """A key that is not registered, not approved, or out of use, or whose leaves contradict each other."""
    SIGNATURE = "signature"
    """The key has not signed what the leaf says."""
    COUNTER = "counter"
    """The key had counted further before: there may be a copy of it."""
    PERSON = "person"
    """Somebody else than the key's holder, or one person where two are needed."""
    REQUEST = "request"
    """A leaf and the text that was signed do not belong together."""
    WITHOUT = "without-consent"
    """Something was done that keys guard, and those keys have not agreed."""
    BEYOND = "beyond-consent"
    """Something else was done than the keys have agreed to."""
    REMOVED = "removed"
    """The details of a leaf are gone, and no leaf says that they were removed because of their age."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, and the leaf at which it shows."""

    fault: Fault
    leaf: Leaf
    text: str


@dataclass(slots=True)
class KnownKey:
    """A security key, as the ledger has it."""

    id: UUID
    name: str
    holder: Named
    role: KeyRole
    credential: str = field(repr=False)
    recipient: str
    """To which keyrings are sealed (age)."""
    rp_id: str
    proposed: int
    """The leaf."""
    approved: int | None = None
    ended: int | None = None
    touches: int = 0
    counter: int = 0


@dataclass(slots=True)
class Consents:
    """What was found."""

    leaves: int = 0
    """That were looked at."""
    keys: dict[UUID, KnownKey] = field(default_factory=dict)
    touches: int = 0
    """Answers of keys whose signature is good."""
    looks: int = 0
    """Looks that keys have opened."""
    by_passphrase: int = 0
    """Looks while no keys in hand were needed."""
    recoveries: list[Leaf] = field(default_factory=list)
    """A recovery on paper stood in a key's place."""
    pruned: int = 0
    """Leaves whose details are gone: nothing can be said of them."""
    unknown: int = 0
    """Looks whose answers may be among those that were removed."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    @property
    def counts(self) -> Counter[Fault]:
        """Return how many findings of each kind there are."""
        return Counter(each.fault for each in self.findings)


@dataclass(slots=True)
class _Request:
    text: str = field(repr=False)
    asked: Asked
    answers: dict[KeyRole, UUID] = field(default_factory=dict)
    """Who has answered, by role."""
    answered_ns: int = 0
    """When somebody did last."""
    used: int | None = None
    """The leaf of what it has opened."""


class _WrongError(Exception):
    """A leaf is not borne out."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class Checker:
    """Takes leaves one after the other, from the first on. Not thread-safe."""

    def __init__(self) -> None:
        """Begin with a system that has no security keys."""
        self.found: Final = Consents()
        self._requests: dict[UUID, _Request] = {}
        self._policy = Policy.CUSTODIAN
        self._role_keys: dict[KeyRole, str] = {}
        """Public keys of the roles whose keyrings were founded."""
        self._unexplained: list[Leaf] = []
        """Leaves without details, of which no later leaf has said yet that they were to be removed."""
        self._pruned_ns = -TOGETHER_NS
        """When the last answer of a key was written whose details were removed."""
        self._readers: Final[dict[str, Callable[[Leaf, Mapping[str, Any]], None]]] = {
            Kind.SECURITY_KEY_PROPOSED: self._proposed,
            Kind.SECURITY_KEY_APPROVED: self._approved,
            Kind.SECURITY_KEY_ENDED: self._ended,
            Kind.LOOK_TOUCHED: self._touched,
            Kind.KEY_TOUCHED: self._touched,
            Kind.GLASS_BROKEN: self._recovered,
            Kind.LOOK_OPENED: self._opened,
            Kind.POLICY_CHANGED: self._changed,
            Kind.KEYRING_FOUNDED: self._sealed,
            Kind.KEYRING_SEALED: self._sealed,
            Kind.KEYRING_DRILLED: self._drilled,
            Kind.PRUNED: self._removed,
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of leaves that it wants; others are passed over."""
        return tuple(self._readers)

    def take(self, leaf: Leaf, body: Mapping[str, Any] | None) -> None:
        """Look at a leaf; `body` is None where it was pruned."""
        reader = self._readers.get(leaf.kind)
        if reader is None:
            return
        self.found.leaves += 1
        if body is None:
            self.found.pruned += 1
            self._unexplained.append(leaf)
            if leaf.kind == Kind.LOOK_TOUCHED:
                self._pruned_ns = leaf.time_ns
            return
        try:
            reader(leaf, body)
        except _WrongError as wrong:
            self.found.findings.append(Finding(wrong.fault, leaf, str(wrong)))
        except ValidationError as error:
            where = ".".join(map(str, error.errors()[0]["loc"]))
            text = f"this is not what a leaf {leaf.kind} holds: {where}: {error.errors()[0]['msg']}"
            self.found.findings.append(Finding(Fault.FORM, leaf, text))

    def finish(self) -> Consents:
        """Return what was found, once there are no more leaves."""
        text = "its details are gone, and no leaf says that they were to be removed: who did that hid what it said"
        self.found.findings += [Finding(Fault.REMOVED, leaf, text) for leaf in self._unexplained]
        self._unexplained.clear()
        return self.found

    def _removed(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Removed.model_validate(body)
        before_ns, kinds = leaf.time_ns - told.keep_days * DAY_NS, tuple(told.kinds)
        self._unexplained = [
            each
            for each in self._unexplained
            if each.index >= told.below or each.time_ns >= before_ns or not each.kind.startswith(kinds)
        ]

    # --- keys --------------------------------------------------------------------------------------------------------

    def _proposed(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Proposed.model_validate(body)
        before = self.found.keys.get(told.key.id)
        if before is not None:
            raise _WrongError(Fault.KEY, f"{_of(before)} was registered in leaf {before.proposed} already")
        if told.who.id != told.person.id:
            raise _WrongError(Fault.PERSON, f"{told.who.name} has registered a key for {told.person.name}")
        self.found.keys[told.key.id] = KnownKey(
            told.key.id,
            told.key.name,
            told.person,
            told.key_role,
            told.credential,
            told.recipient,
            told.rp_id,
            leaf.index,
        )

    def _approved(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Proposed.model_validate(body)
        key = self._key(told.key, told.credential)
        if told.who.id == key.holder.id:
            raise _WrongError(Fault.PERSON, f"{_of(key)} was approved by its own holder")
        others = [role for role in self._role_keys if role != key.role]
        if others:
            request = self._agreed(leaf, told.request, "approve", others, f"{_of(key)} was approved")
            if request.asked.key is None or request.asked.key.id != key.id:
                raise _WrongError(Fault.BEYOND, f"what was agreed to is not that {_of(key)} be approved")
            self._use(request, leaf)
        key.approved = leaf.index

    def _ended(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        key = self.found.keys.get(Ended.model_validate(body).key.id)
        if key is None:
            raise _WrongError(Fault.KEY, "a key was taken out of use that was never registered")
        key.ended = leaf.index

    def _key(self, named: Named, credential: str) -> KnownKey:
        key = self.found.keys.get(named.id)
        if key is None:
            raise _WrongError(Fault.KEY, f"the key “{named.name}” was never registered")
        if key.credential != credential:
            raise _WrongError(Fault.KEY, f"this is not the credential with which {_of(key)} was registered")
        return key

    # --- answers -----------------------------------------------------------------------------------------------------

    def _touched(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Touched.model_validate(body)
        key = self._key(told.key, told.credential)
        try:
            signed = check_kept(texts.challenge_of(told.text), key.credential, told.assertion)
        except CorruptError as error:
            raise _WrongError(Fault.SIGNATURE, f"{_of(key)}: {error}") from error
        if signed.rp_id_hash != hashlib.sha256(key.rp_id.encode()).digest():
            raise _WrongError(Fault.SIGNATURE, f"{_of(key)} was not asked by {key.rp_id}")
        self.found.touches += 1
        key.touches += 1
        if key.approved is None:
            raise _WrongError(Fault.KEY, f"{_of(key)} was not approved")
        if key.ended is not None:
            raise _WrongError(Fault.KEY, f"{_of(key)} was out of use since leaf {key.ended}")
        if told.who.id != key.holder.id:
            raise _WrongError(Fault.PERSON, f"{told.who.name} has answered with {_of(key)}")
        if told.key_role != key.role:
            raise _WrongError(Fault.KEY, f"{_of(key)} is of another role than “{ROLE_WORDS[told.key_role]}”")
        before, key.counter = key.counter, max(key.counter, signed.counter)
        if signed.counter <= before and (signed.counter or before):
            text = f"{_of(key)} has counted {signed.counter} signatures, and {before} before: there may be a copy of it"
            raise _WrongError(Fault.COUNTER, text)
        self._answer(leaf, told)

    def _recovered(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Answered.model_validate(body)
        self.found.recoveries.append(leaf)
        self._answer(leaf, told)

    def _answer(self, leaf: Leaf, told: Answered) -> None:
        """Take an answer whose signature is good: what was signed has to be what the leaf says."""
        try:
            asked = Asked.model_validate(texts.read(told.text))
        except CorruptError as error:
            raise _WrongError(Fault.REQUEST, str(error)) from error
        if asked.id != told.request or told.key_role not in asked.roles:
            raise _WrongError(Fault.REQUEST, "what was signed is another request")
        if leaf.kind != Kind.GLASS_BROKEN and (asked.kind == "look") != (leaf.kind == Kind.LOOK_TOUCHED):
            raise _WrongError(Fault.REQUEST, f"what was signed is a request of the kind “{asked.kind}”")
        if told.cameras != asked.cameras or told.reference != asked.reference:
            raise _WrongError(Fault.REQUEST, "what was signed names other cameras, or another reference, than the leaf")
        request = self._requests.setdefault(asked.id, _Request(told.text, asked))
        if request.text != told.text:
            raise _WrongError(Fault.REQUEST, "another text was signed before for the same request")
        if asked.kind == "look" and (told.who.id == asked.person.id) != (told.key_role == KeyRole.VIEWER):
            text = f"{told.who.name} has answered as “{ROLE_WORDS[told.key_role]}” what {asked.person.name} asked"
            raise _WrongError(Fault.PERSON, text)
        if any(who == told.who.id for role, who in request.answers.items() if role != told.key_role):
            raise _WrongError(Fault.PERSON, f"{told.who.name} has answered in both roles")
        request.answers[told.key_role], request.answered_ns = told.who.id, leaf.time_ns

    # --- what follows from them --------------------------------------------------------------------------------------

    def _opened(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Opened.model_validate(body)
        needed = ROLES[self._policy]
        if told.request is None and not needed:
            self.found.by_passphrase += 1
            return
        removed = leaf.time_ns - self._pruned_ns <= TOGETHER_NS
        if removed and told.request is not None and told.request not in self._requests:
            self.found.unknown += 1
            return
        request = self._agreed(leaf, told.request, "look", needed, f"footage was opened for {told.who.name}")
        asked = request.asked
        if told.who.id != asked.person.id:
            raise _WrongError(Fault.BEYOND, f"{told.who.name} looked, and {asked.person.name} had asked")
        same = {
            "cameras": set(told.cameras) <= set(asked.cameras),
            "footage": told.footage == asked.footage,
            "purpose": told.purpose == asked.purpose,
            "reference": told.reference == asked.reference,
            "grant": told.grant == asked.grant,
        }
        others = [name for name, is_same in same.items() if not is_same]
        if others:
            raise _WrongError(Fault.BEYOND, f"what was opened is not what was agreed to: other {', '.join(others)}")
        self._use(request, leaf)
        self.found.looks += 1

    def _changed(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = PolicyChanged.model_validate(body)
        before, self._policy = self._policy, told.policy
        if ROLES[before]:
            request = self._agreed(leaf, told.request, "policy", ROLES[before], f"the policy “{before}” was left")
            if (request.asked.policy, request.asked.before) != (told.policy.value, before.value):
                raise _WrongError(Fault.BEYOND, f"what was agreed to is not that “{told.policy}” follow “{before}”")
            self._use(request, leaf)

    def _sealed(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Sealed.model_validate(body)
        before = self._role_keys.get(told.key_role)
        self._role_keys[told.key_role] = told.public_key
        what = f"the keyring of “{ROLE_WORDS[told.key_role]}” was sealed"
        asked = self._agreed(leaf, told.request, "seal", (told.key_role,), what).asked
        if (
            asked.role != told.key_role.value
            or [each.recipient for each in asked.keys] != told.recipients
            or asked.recovery != told.recovery
            or bool(asked.new_public_key) != told.new_role_key
            or told.public_key != (asked.new_public_key or before)
        ):
            raise _WrongError(Fault.BEYOND, f"{what} to others, or with another key, than was agreed to")
        self._use(self._requests[told.request], leaf)
        for each in asked.keys:
            key = self.found.keys.get(each.id)
            if key is None or key.recipient != each.recipient or key.approved is None or key.ended is not None:
                raise _WrongError(
                    Fault.KEY, f"{what} to a key that no leaf has registered and approved: {each.recipient}"
                )

    def _drilled(self, leaf: Leaf, body: Mapping[str, Any]) -> None:
        told = Drilled.model_validate(body)
        self._use(self._agreed(leaf, told.request, "drill", (), "it was tried whether footage opens"), leaf)

    def _agreed(self, leaf: Leaf, request: UUID | None, kind: str, roles: Iterable[KeyRole], what: str) -> _Request:
        """Return the request that allows something, once everybody whom it asks, and these roles, have answered it."""
        if request is None:
            raise _WrongError(Fault.WITHOUT, f"{what}, and no key was asked")
        found = self._requests.get(request)
        if found is None:
            raise _WrongError(Fault.WITHOUT, f"{what}, and no key has agreed to it")
        if found.asked.kind != kind:
            raise _WrongError(Fault.BEYOND, f"{what}, and what was agreed to is of the kind “{found.asked.kind}”")
        lacking = [ROLE_WORDS[role] for role in (*found.asked.roles, *roles) if role not in found.answers]
        if lacking:
            named = " and ".join(f"“{each}”" for each in dict.fromkeys(lacking))
            raise _WrongError(Fault.WITHOUT, f"{what}, and no key of the role {named} has agreed to it")
        if leaf.time_ns - found.answered_ns > TOGETHER_NS:
            raise _WrongError(Fault.BEYOND, f"{what}, and what was agreed to had ended by itself")
        return found

    def _use(self, request: _Request, leaf: Leaf) -> None:
        """A request opens one thing, once."""
        if request.used is not None:
            raise _WrongError(Fault.BEYOND, f"what was agreed to had been done in leaf {request.used} already")
        request.used = leaf.index


def _of(key: KnownKey) -> str:
    return f"“{key.name}” of {key.holder.name}"
