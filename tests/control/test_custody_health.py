"""What of keys in hand the page of health says."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from control_rig import person_with
from overt.control.custody import requests
from overt.control.custody.models import KeyRequest, Keyring, PolicyInForce
from overt.control.custody.policies import KeyRole
from overt.control.custody.standing import keys_in_hand
from overt.control.health.conditions import find
from overt.control.health.situation import Situation
from overt.control.people.models import Person

pytestmark = pytest.mark.django_db


@pytest.fixture(name="person")
def _person() -> Person:
    return person_with(name="Olive Operator")


def said(now: dt.datetime) -> dict[str, str]:
    """Words of each condition about keys, by its kind."""
    situation = Situation(now=now, today=now.date(), in_hand=keys_in_hand(now))
    return {each.kind.name: each.words for each in find(situation) if each.subject == "keys"}


def test_under_the_passphrase_nothing_is_said() -> None:
    assert said(timezone.now()) == {}


def test_a_recovery_is_loud_for_a_week(person: Person) -> None:
    now = timezone.now()
    made = requests.ask("seal", person, [KeyRole.VIEWER], {})
    KeyRequest.objects.filter(pk=made.pk).update(recovered=now, failed=2)
    words = said(now)
    assert words["recovery-used"] == "It was used once within a week; last for what Olive Operator asked (seal)."
    assert words["keys-do-not-open"].startswith("2 key periods did not open")
    assert said(now + dt.timedelta(days=8)) == {}


def test_a_policy_that_lacks_its_keys_and_its_drill_says_so(person: Person) -> None:
    now = timezone.now()
    PolicyInForce.objects.create(policy="presence", since=now, by=person)
    assert "“Who looks” has no keyring yet" in said(now)["keys-lacking"]
    Keyring.objects.create(
        role="viewer", sealed="", public_key="0" * 64, recovery="", sealed_at=now, founded=now, sealed_to=[]
    )
    words = said(now)
    assert "has 0 security keys in use, and needs 3" in words["keys-lacking"]
    assert "drill-due" not in words
    later = said(now + dt.timedelta(days=100))
    assert later["drill-due"] == "Nobody has tried the keyring of “Who looks” for a quarter."
