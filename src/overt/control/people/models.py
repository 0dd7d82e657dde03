"""Tables: people, roles, groups of sites, appointments (who has which role where), one-time links, API tokens."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from overt.control.people.actions import WORDS, Action

MAX_NAME: Final = 120
EARLIEST, LATEST = 2000, 2999
"""Years in which an account may end."""
one_line: Final = RegexValidator(
    "^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]*$",
    "Use letters, digits and punctuation on one line: no line breaks, and no characters that turn text around.",
)
"""For names: they stand in mail, logs and lists."""


class People(BaseUserManager["Person"]):
    """Makes people; their e-mail address is kept as it is compared, in lower case."""

    def create_user(self, email: str, name: str, password: str | None = None, **fields: Any) -> Person:
        """Make somebody, with a password or (None) without one that could be used."""
        person = Person(email=email.strip().lower(), name=name, **fields)
        person.set_password(password)
        person.full_clean(exclude=["password"])
        person.save(using=self._db)
        return person

    def get_by_natural_key(self, username: str | None) -> Person:
        """Find somebody by e-mail address, however it is capitalised."""
        return self.get(email=(username or "").strip().lower())


class Person(AbstractBaseUser):
    """Somebody who can sign in. Removing somebody sets `is_active`: what they did stays theirs."""

    class Employer(models.TextChoices):
        """Whom they work for; those of others end by themselves."""

        COUNCIL = "council", "This organisation"
        CONTRACTOR = "contractor", "A contractor"
        POLICE = "police", "The police"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("E-mail address", max_length=254, unique=True)
    name = models.CharField("Full name", max_length=MAX_NAME, validators=[one_line])
    employer = models.CharField("Works for", max_length=16, choices=Employer, default=Employer.COUNCIL)
    expires_at = models.DateTimeField("Account ends", null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    version = models.PositiveIntegerField(default=0, editable=False)
    """Raised at each change, so that of two people who save one form the second is told."""

    objects: ClassVar[People] = People()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        """Names and rules of the table."""

        verbose_name_plural = "people"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(Lower("email"), name="person_email_once"),
            models.CheckConstraint(
                name="person_of_others_expires",
                condition=models.Q(employer="council") | models.Q(expires_at__isnull=False),
                violation_error_message="An account for a contractor or the police must have a day on which it ends.",
            ),
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def expired(self) -> bool:
        """Whether the account has come to its end."""
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def may_sign_in(self) -> bool:
        """Whether the account works at all."""
        return self.is_active and not self.expired

    @property
    def has_arrived(self) -> bool:
        """Whether they could sign in by now: they chose a password, or came through single sign-on."""
        return self.has_usable_password() or self.last_login is not None

    def clean(self) -> None:
        """Keep the address in lower case; refuse an account of others that never ends."""
        self.email = self.email.strip().lower()
        if self.employer != self.Employer.COUNCIL and self.expires_at is None:
            msg = "An account for a contractor or the police must have a day on which it ends."
            raise ValidationError({"expires_at": msg})
        if self.expires_at is not None and not EARLIEST <= self.expires_at.year <= LATEST:
            raise ValidationError({"expires_at": f"Choose a day between the years {EARLIEST} and {LATEST}."})


class SiteGroup(models.Model):
    """Sites that rights are given for together: a district, a service, a contract."""

    name = models.CharField("Name", max_length=MAX_NAME, unique=True, validators=[one_line])
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class Role(models.Model):
    """A set of actions under a name that the organisation uses."""

    name = models.CharField("Name", max_length=MAX_NAME, unique=True, validators=[one_line])
    actions = models.JSONField("What it allows", default=list)
    version = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def clean(self) -> None:
        """Refuse what is no action."""
        known = {each.value for each in Action}
        if not isinstance(self.actions, list) or not set(self.actions) <= known:
            raise ValidationError({"actions": f"Choose from: {', '.join(sorted(known))}."})

    @property
    def words(self) -> list[str]:
        """The actions as pages name them."""
        return [words for action, words in WORDS.items() if action.value in self.actions]


class Appointment(models.Model):
    """Somebody has a role at a group of sites; without a group, everywhere."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="appointments")
    role = models.ForeignKey(Role, on_delete=models.PROTECT, related_name="appointments")
    group = models.ForeignKey(SiteGroup, on_delete=models.CASCADE, null=True, blank=True, related_name="appointments")

    class Meta:
        """One of a kind."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "role", "group"], name="appointment_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        """Say who is what where."""
        return f"{self.person}: {self.role}, {self.group or 'everywhere'}"


class OneTimeLink(models.Model):
    """A link that works once and for a while; only the SHA-256 of its token is kept."""

    class Purpose(models.TextChoices):
        """What whoever opens it may do."""

        SETUP = "setup", "Make the first account"
        INVITATION = "invitation", "Choose a password"

    digest = models.CharField(max_length=64, unique=True, editable=False)
    purpose = models.CharField(max_length=16, choices=Purpose)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, null=True, blank=True, related_name="links")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """An invitation is somebody's, the link of the first start nobody's."""

        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="invitation_is_somebodys",
                condition=models.Q(purpose="setup", person__isnull=True)
                | models.Q(purpose="invitation", person__isnull=False),
            )
        ]

    def __str__(self) -> str:
        """Say what it is for."""
        return self.get_purpose_display()


class ApiToken(models.Model):
    """Lets a program act for a person, with some of their rights; only the SHA-256 of the token is kept."""

    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField("Name", max_length=MAX_NAME, validators=[one_line])
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField("What it allows", default=list)
    """Actions: what the person may do besides, the token may not."""
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField("Ends")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """Order of lists."""

        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def words(self) -> list[str]:
        """The actions as pages name them."""
        return [words for action, words in WORDS.items() if action.value in self.scopes]
