"""Tables of `custody`: security keys, keyrings, policies as they were in force, and requests that keys answer."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models

from overt.control.custody.policies import POLICY_WORDS, ROLE_WORDS, KeyRole, Policy
from overt.control.people.models import MAX_NAME, Person, one_line

ROLE_CHOICES = [(each.value, ROLE_WORDS[each]) for each in KeyRole]


class SecurityKey(models.Model):
    """A security key that somebody holds for a role. Rows are never deleted: leaves name them."""

    class State(models.TextChoices):
        """How far it has come."""

        PROPOSED = "proposed", "Waits for approval"
        APPROVED = "approved", "Approved; the keyring is not sealed to it yet"
        ADMITTED = "admitted", "In use"
        ENDED = "ended", "Out of use"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    role = models.CharField(max_length=16, choices=ROLE_CHOICES)
    holder = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="security_keys")
    label = models.CharField("Name of the key", max_length=MAX_NAME, validators=[one_line])
    state = models.CharField(max_length=16, choices=State.choices, default=State.PROPOSED)
    credential_id = models.CharField(max_length=1400, unique=True)
    """base64url without padding."""
    credential = models.TextField()
    """Attested credential data (WebAuthn §6.5.1), base64url: model of the key, credential id, COSE public key."""
    rp_id = models.CharField(max_length=255)
    """The name of this system that the key answers to."""
    recipient = models.CharField(max_length=80)
    """age recipient that the key's PRF gives: what keyrings are sealed to."""
    sign_count = models.BigIntegerField(default=0)
    proposed = models.DateTimeField()
    approved_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    ended = models.DateTimeField(null=True, blank=True)
    ended_why = models.CharField(max_length=200, blank=True)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["role", "proposed"]

    def __str__(self) -> str:
        """Return the name."""
        return self.label


class Keyring(models.Model):
    """A role's private keys, sealed to its security keys and to a recovery that is on paper. Nothing here opens it."""

    role = models.CharField(primary_key=True, max_length=16, choices=ROLE_CHOICES)
    sealed = models.TextField()
    """Armoured age file (docs/formats/keyring.md)."""
    public_key = models.CharField(max_length=64)
    """Of its newest key; hexadecimal."""
    recovery = models.CharField(max_length=80)
    """age recipient of the recovery on paper."""
    sealed_to = models.JSONField(default=list)
    """Ids of the security keys."""
    sealed_at = models.DateTimeField()
    founded = models.DateTimeField()
    drilled = models.DateTimeField(null=True)
    """When footage was last opened with one of its keys, to try it."""

    def __str__(self) -> str:
        """Return the role."""
        return self.get_role_display()


class PolicyInForce(models.Model):
    """A policy, and since when: the newest row is in force."""

    policy = models.CharField(max_length=16, choices=[(each.value, POLICY_WORDS[each]) for each in Policy])
    since = models.DateTimeField()
    by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")

    class Meta:
        """Newest last."""

        ordering: ClassVar[list[str]] = ["id"]

    def __str__(self) -> str:
        """Say which since when."""
        return f"{self.get_policy_display()} since {self.since:%Y-%m-%d %H:%M}"


class KeyRequest(models.Model):
    """Something that security keys are asked for: the SHA-256 of `text` is the challenge that they sign."""

    class State(models.TextChoices):
        """How it stands."""

        OPEN = "open", "Waits"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        EXPIRED = "expired", "Too old"

    id = models.UUIDField(primary_key=True, editable=False)
    kind = models.CharField(max_length=16)
    text = models.TextField()
    asked_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    asked = models.DateTimeField()
    expires = models.DateTimeField()
    roles = models.JSONField()
    """Whose keys are asked, in their order."""
    given = models.JSONField(default=list)
    """Who has answered so far: role, person (id, name), key, moment, and whether what it opens was brought back."""
    sealed = models.JSONField(default=dict)
    """By key period: its wrap, and what is left of it to be opened; base64url."""
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    recovered = models.DateTimeField(null=True, blank=True)
    """When a recovery on paper answered it."""
    failed = models.PositiveIntegerField(default=0)
    """Key periods whose layer did not open."""

    class Meta:
        """Newest first."""

        ordering: ClassVar[list[str]] = ["-asked"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "expires"])]

    def __str__(self) -> str:
        """Return kind and moment."""
        return f"{self.kind} {self.asked:%Y-%m-%d %H:%M}"
