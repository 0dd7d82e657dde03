"""Forms about people and their rights. What they may do is decided elsewhere (`managing_rules`)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from overt.control.people.actions import WORDS
from overt.control.people.managing import groups_of
from overt.control.people.managing_rules import manages_everywhere, may_give
from overt.control.people.models import EARLIEST, LATEST, MAX_NAME, Person, Role, SiteGroup, one_line
from overt.control.people.rights import Rights

ACTIONS = [(action.value, words) for action, words in WORDS.items()]
EVERYWHERE = ("", "Everywhere, at sites to come too")
LOST = {"required": "Choose one."}


def end_of(last_day: date | None) -> datetime | None:
    """Return the moment at which a day is over, here."""
    if last_day is None:
        return None
    return timezone.make_aware(datetime.combine(last_day + timedelta(days=1), time.min))


def last_day_of(end: datetime | None) -> date | None:
    """Return the last day of what ends at a moment."""
    return None if end is None else timezone.localdate(end - timedelta(seconds=1))


def _name(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=MAX_NAME,
        validators=[one_line],
        error_messages={"required": f"Enter the {label.lower()}."},
    )


class PasswordForm(forms.Form):
    """A password that somebody chooses."""

    password1 = forms.CharField(
        label="Password", strip=False, max_length=1024, error_messages={"required": "Enter a password."}
    )
    password2 = forms.CharField(
        label="Password, once more",
        strip=False,
        max_length=1024,
        error_messages={"required": "Enter the password once more."},
    )

    def __init__(self, *arguments: Any, person: Person | None = None, **named: Any) -> None:
        """Take the form of somebody, whose name the password must not resemble."""
        super().__init__(*arguments, **named)
        self.person = person

    def owner(self) -> Person | None:
        """Return whose password it will be."""
        return self.person

    def clean(self) -> dict[str, Any]:
        """Refuse passwords that differ, that are short, common, or like their owner's name."""
        told: dict[str, Any] = super().clean() or self.cleaned_data
        first, second = told.get("password1"), told.get("password2")
        if first and second and first != second:
            self.add_error("password2", "The two passwords differ: enter the same one twice.")
        elif first:
            try:
                validate_password(first, self.owner())
            except ValidationError as error:
                self.add_error("password1", error)
        return told


class FirstAccountForm(PasswordForm):
    """Who makes the first account."""

    field_order = ("name", "email", "password1", "password2")
    name = _name("Full name")
    email = forms.EmailField(
        label="E-mail address", max_length=254, error_messages={"required": "Enter the e-mail address."}
    )

    def owner(self) -> Person:
        """Return who it will be, as far as it is known."""
        return Person(name=self.cleaned_data.get("name", ""), email=self.cleaned_data.get("email", ""))


class AccountForm(forms.Form):
    """Who somebody is, and until when."""

    name = _name("Full name")
    employer = forms.ChoiceField(label="Works for", choices=Person.Employer.choices, error_messages=LOST)
    last_day = forms.DateField(
        label="Last day of the account",
        required=False,
        error_messages={"invalid": "Enter a day as year-month-day, such as 2027-03-31."},
    )

    def clean(self) -> dict[str, Any]:
        """Refuse an account of a contractor or the police that never ends, and an end that is past."""
        told: dict[str, Any] = super().clean() or self.cleaned_data
        last, employer = told.get("last_day"), told.get("employer")
        if "last_day" not in self.errors:
            if last is None and employer in {Person.Employer.CONTRACTOR, Person.Employer.POLICE}:
                self.add_error("last_day", "An account for a contractor or the police must have a last day.")
            elif last is not None and not EARLIEST <= last.year <= LATEST:
                self.add_error("last_day", "Enter a day as year-month-day, such as 2027-03-31.")
        told["expires_at"] = end_of(last) if "last_day" not in self.errors else None
        return told


class AppointmentForm(forms.Form):
    """A role somewhere."""

    role = forms.ChoiceField(label="Role", error_messages=LOST)
    group = forms.ChoiceField(label="At the sites of", required=False)

    def __init__(self, *arguments: Any, manager: Rights, **named: Any) -> None:
        """Offer the roles and groups that the manager may give."""
        super().__init__(*arguments, **named)
        groups = [(str(group.pk), group.name) for group in groups_of(manager)]
        everywhere = manages_everywhere(manager)
        places: list[int | None] = [None] if everywhere else [int(key) for key, _ in groups]
        roles = [
            (str(role.pk), role.name)
            for role in Role.objects.all()
            if any(may_give(manager, role.actions, place) for place in places)
        ]
        self.fields["role"].choices = [("", "Choose a role"), *roles]  # type: ignore[attr-defined]
        self.fields["group"].choices = [*([EVERYWHERE] if everywhere else []), *groups]  # type: ignore[attr-defined]
        self.fields["group"].required = not everywhere

    def clean_role(self) -> int:
        """Return the role's id."""
        return int(self.cleaned_data["role"])

    def clean_group(self) -> int | None:
        """Return the group's id; None: everywhere."""
        chosen = self.cleaned_data["group"]
        return int(chosen) if chosen else None


class NewPersonForm(AccountForm, AppointmentForm):
    """Somebody new, with their first role."""

    field_order = ("name", "email", "employer", "last_day", "role", "group")
    email = forms.EmailField(
        label="E-mail address", max_length=254, error_messages={"required": "Enter the e-mail address."}
    )


class RoleForm(forms.ModelForm[Role]):
    """What a role is called and allows."""

    actions = forms.MultipleChoiceField(
        label="What it allows", choices=ACTIONS, error_messages={"required": "Choose at least one action."}
    )

    class Meta:
        """Fields of the table that the form changes."""

        model = Role
        fields: ClassVar[list[str]] = ["name", "actions"]


class GroupForm(forms.ModelForm[SiteGroup]):
    """What a group of sites is called."""

    class Meta:
        """Fields of the table that the form changes."""

        model = SiteGroup
        fields: ClassVar[list[str]] = ["name"]


class TokenForm(forms.Form):
    """A token of the API."""

    name = forms.CharField(
        label="What it is for",
        max_length=MAX_NAME,
        validators=[one_line],
        error_messages={"required": "Say what it is for, so that you know later."},
    )
    scopes = forms.MultipleChoiceField(
        label="What it allows", choices=ACTIONS, error_messages={"required": "Choose at least one action."}
    )
    last_day = forms.DateField(
        label="Last day",
        error_messages={
            "required": "Enter the last day.",
            "invalid": "Enter a day as year-month-day, such as 2027-03-31.",
        },
    )

    def __init__(self, *arguments: Any, rights: Rights, **named: Any) -> None:
        """Offer the actions that the person may do somewhere."""
        super().__init__(*arguments, **named)
        offered = [(action.value, words) for action, words in WORDS.items() if rights.anywhere(action)]
        self.fields["scopes"].choices = offered  # type: ignore[attr-defined]

    def clean_last_day(self) -> date:
        """Refuse a day that is past or more than a year away."""
        day: date = self.cleaned_data["last_day"]
        today = timezone.localdate()
        if not today <= day <= today + timedelta(days=365):
            raise ValidationError("Choose a day from today on, at most a year away.")
        return day


class FindForm(forms.Form):
    """Which people a list shows."""

    STATES: ClassVar[list[tuple[str, str]]] = [
        ("", "Everybody who can sign in, and who is invited"),
        ("invited", "Invited, not arrived yet"),
        ("ending", "Account ends within 30 days"),
        ("ended", "Account has ended"),
        ("removed", "Removed"),
    ]
    q = forms.CharField(label="Name or e-mail address", max_length=MAX_NAME, required=False)
    role = forms.ChoiceField(label="Role", required=False)
    state = forms.ChoiceField(label="Account", choices=STATES, required=False)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Offer every role."""
        super().__init__(*arguments, **named)
        roles = [(str(role.pk), role.name) for role in Role.objects.all()]
        self.fields["role"].choices = [("", "Any role"), *roles]  # type: ignore[attr-defined]
