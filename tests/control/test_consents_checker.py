"""The checker of consents by itself: leaves that nobody wrote, in whatever form."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from keys_in_hand import RP_ID
from overt.control.acts.kinds import Kind
from overt.control.custody.consents import TOGETHER_NS, Checker, Fault
from overt.control.custody.texts import FORMAT
from overt.ledger.leaves import Leaf


def leaf(kind: str, index: int = 0, time_ns: int = 0) -> Leaf:
    return Leaf(index, kind, time_ns, 0, hashlib.sha256(b"").digest())


def test_a_look_whose_answers_were_removed_a_moment_before_is_not_called_false() -> None:
    body = {
        "who": {"id": str(uuid4()), "name": "Olive"},
        "grant": str(uuid4()),
        "cameras": ["market"],
        "footage": {},
        "purpose": {},
        "request": str(uuid4()),
    }
    checker = Checker()
    checker.take(leaf("custody.changed"), {"policy": "presence"})
    checker.take(leaf("look.touched", 1), None)
    checker.take(leaf("look.opened", 2, TOGETHER_NS), body)
    assert (checker.found.pruned, checker.found.unknown, checker.found.findings) == (1, 1, [])
    checker.take(leaf("look.opened", 3, TOGETHER_NS + 1), body)
    assert [(each.fault, each.leaf.index) for each in checker.found.findings] == [(Fault.WITHOUT, 3)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["viewer", "look", RP_ID, str(uuid4())]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ["who", "person", "key", "key_role", "credential", "recipient", "rp_id", "request", "text", "cameras"]
MEMBERS += ["reference", "assertion", "grant", "footage", "purpose", "policy", "public_key", "recipients", "recovery"]


TEXT = st.dictionaries(st.sampled_from(["id", "kind", "person", "roles", "key", "keys", *MEMBERS]), JSON, max_size=8)
WHO = {"id": str(uuid4()), "name": "Olive"}


@given(told=TEXT, role=st.sampled_from(["viewer", "approver"]))
def test_whatever_a_text_says_is_found_or_passed(told: dict[str, Any], role: str) -> None:
    identity = str(uuid4())
    text = json.dumps({"id": identity, "kind": "look", "person": WHO, "roles": [role], **told, "format": FORMAT})
    checker = Checker()
    checker.take(leaf(Kind.GLASS_BROKEN), {"who": WHO, "request": identity, "text": text, "key_role": role})
    assert len(checker.found.findings) <= 1
    assert len(checker.found.recoveries) == 1


@given(
    leaves=st.lists(
        st.tuples(
            st.sampled_from(sorted(Checker().kinds)),
            st.none() | st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=12),
        ),
        max_size=6,
    )
)
def test_whatever_leaves_hold_is_found_or_passed(leaves: list[tuple[str, dict[str, Any] | None]]) -> None:
    checker = Checker()
    for index, (kind, body) in enumerate(leaves):
        checker.take(leaf(kind, index), body)
    assert len(checker.found.findings) <= len(leaves)
