"""The form of an alert rule."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from overt.control.health.channels import CHANNELS, channel_named
from overt.control.health.kinds import KINDS
from overt.control.health.models import AlertRule
from overt.control.health.rules import MAX_ADDRESS, MAX_SECRET
from overt.control.health.severity import SEVERITY_WORDS, Severity
from overt.control.people.models import SiteGroup
from overt.errors import InvalidError

EVERYWHERE_WORDS = "All sites, and the recorder"


class RuleForm(forms.ModelForm[AlertRule]):
    """Everything of a rule; address and secret are never shown again."""

    channel = forms.ChoiceField(
        choices=[(each.name, each.words) for each in CHANNELS], error_messages={"required": "Choose how it is sent."}
    )
    address = forms.CharField(max_length=MAX_ADDRESS, required=False)
    secret = forms.CharField(max_length=MAX_SECRET, required=False, strip=False)
    kinds = forms.MultipleChoiceField(choices=[(each.name, each.words) for each in KINDS.values()], required=False)
    severity = forms.ChoiceField(
        choices=[(each.value, words) for each, words in SEVERITY_WORDS.items()], initial=Severity.WARNING.value
    )

    class Meta:
        """Fields of the table."""

        model = AlertRule
        fields: ClassVar[list[str]] = [
            "name",
            "kinds",
            "severity",
            "group",
            "channel",
            "delay_s",
            "repeat_hours",
            "enabled",
        ]
        error_messages: ClassVar[dict[str, dict[str, str]]] = {
            "name": {"required": "Enter a name.", "unique": "There is a rule of this name: choose another."},
            "delay_s": {
                "required": "Enter the seconds to wait, such as 60.",
                "invalid": "Enter a whole number of seconds.",
            },
            "repeat_hours": {"invalid": "Enter a whole number of hours, or nothing."},
        }

    def __init__(self, *arguments: Any, groups: Any, everywhere: bool, **named: Any) -> None:
        """Offer `groups`, and everywhere if that is allowed."""
        super().__init__(*arguments, **named)
        group: forms.ModelChoiceField[SiteGroup] = self.fields["group"]  # type: ignore[assignment]
        group.queryset = groups
        group.required = not everywhere
        group.error_messages["required"] = "Choose the sites that the rule is for."

    def clean(self) -> dict[str, Any]:
        """Check the address by its channel."""
        super().clean()
        found: dict[str, Any] = self.cleaned_data
        address, name = found.get("address", ""), found.get("channel", "")
        if not name:
            return found
        if address:
            try:
                found["address"] = channel_named(name).check(address)
            except InvalidError as error:
                self.add_error("address", str(error))
        elif self.initial.get("channel") != name:
            self.add_error("address", "Enter where it is to be sent.")
        return found
