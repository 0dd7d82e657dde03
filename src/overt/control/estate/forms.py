"""The forms of sites and cameras."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import QueryDict
from pydantic import SecretStr

from overt.contract.assignment import shown_url
from overt.control.estate.credentials import MAX_PASSWORD, bare
from overt.control.estate.equipment import DeviceInput, StreamInput
from overt.control.estate.history import FIELDS
from overt.control.estate.models import Camera, Site, Stream
from overt.control.people.models import Person, SiteGroup
from overt.errors import InvalidError
from overt.ids import checked_name

DATES: Final = ("%Y-%m-%d", "%d/%m/%Y", "%d %B %Y", "%d %b %Y")
NO_DATE: Final = "Enter a day, such as 31/3/2027."


def worded(form: forms.BaseForm) -> None:
    """Have each field that is left empty say what is wanted, not that it is required."""
    for field in form.fields.values():
        verb = "Choose" if isinstance(field, forms.ChoiceField | forms.ModelChoiceField) else "Enter"
        what = str(field.label or "").removesuffix(" (optional)")
        field.error_messages["required"] = f"{verb}: {what[:1].lower()}{what[1:]}."


def amended(form: forms.BaseForm, **values: str) -> QueryDict:
    """Return what was sent with a form, with other values for some fields."""
    data = QueryDict(mutable=True)
    data.update(form.data)
    for name, value in values.items():
        data[name] = value
    return data


class SiteForm(forms.ModelForm[Site]):
    """Adds or changes a site."""

    new_group = forms.CharField(
        label="Or a new group",
        max_length=120,
        required=False,
        help_text="Rights are given for all sites of a group together: a district, a service, a contract.",
    )

    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)

    class Meta:
        """Which fields."""

        model = Site
        fields: ClassVar[list[str]] = ["name", "address", "group"]

    def __init__(self, *args: Any, groups: QuerySet[SiteGroup], may_add_groups: bool, **named: Any) -> None:
        """Offer `groups` alone; a new one to who may change cameras everywhere."""
        super().__init__(*args, **named)
        self.fields["group"] = forms.ModelChoiceField(
            groups, label="Group", required=not may_add_groups, empty_label="Choose a group"
        )
        if not may_add_groups:
            del self.fields["new_group"]
        worded(self)

    def clean(self) -> dict[str, Any]:
        """Take one group, an existing or a new one."""
        data = super().clean() or {}
        name = (data.get("new_group") or "").strip()
        if name and data.get("group"):
            self.add_error("new_group", "Choose a group, or name a new one: not both.")
        elif name and SiteGroup.objects.filter(name__iexact=name).exists():
            self.add_error("new_group", "There is a group of this name already: choose it above.")
        elif not name and not data.get("group") and "group" not in self.errors:
            self.add_error("group", "Choose a group, or name a new one.")
        return data

    def clean_name(self) -> str:
        """Refuse a name that differs from another's by capitals alone."""
        name: str = self.cleaned_data["name"]
        if Site.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            msg = "There is a site of this name already."
            raise ValidationError(msg)
        return name


class CameraForm(forms.ModelForm[Camera]):
    """Adds or changes a camera; `version` is that at which somebody began."""

    key = forms.CharField(
        label="Short name (optional)",
        max_length=63,
        required=False,
        help_text="What recorder and footage call it, such as market-hall-door. It is never changed. Left empty, it is "
        "made of the name.",
    )
    version = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0)

    class Meta:
        """Which fields, and how they are asked for."""

        model = Camera
        fields: ClassVar[list[str]] = list(FIELDS)
        widgets: ClassVar[dict[str, Any]] = {
            "purpose": forms.Textarea(attrs={"rows": 3}),
            "retention_reason": forms.Textarea(attrs={"rows": 3}),
            "audio_reason": forms.Textarea(attrs={"rows": 3}),
        }
        help_texts: ClassVar[dict[str, str]] = {
            "location": "For example: the north door, from the lamp post opposite.",
            "purpose": "What it is for, in words that you would say to somebody whom it films.",
            "legal_basis": "For example: public task (UK GDPR Article 6(1)(e)), Crime and Disorder Act 1998 s. 17.",
            "owner": "Who answers for it: why it is there, and whether it still has to be.",
            "review_on": "When somebody asks again whether it is needed. For example, 31/3/2027.",
            "retention_days": "Footage is deleted after that, unless somebody has it held.",
            "audio_reason": "Sound intrudes far more than pictures. Say why pictures alone will not do.",
        }

    def __init__(self, *args: Any, sites: QuerySet[Site], **named: Any) -> None:
        """Offer `sites` alone, and as owners those whose account works, or who owns it now."""
        super().__init__(*args, **named)
        self.adding = self.instance.version == 0
        self.fields["site"] = forms.ModelChoiceField(sites, label="Site", empty_label="Choose a site")
        owners = Person.objects.filter(Q(is_active=True) | Q(pk=self.instance.owner_id)).order_by("name", "email")
        self.fields["owner"] = forms.ModelChoiceField(
            owners, label="Owner", required=False, empty_label="Nobody yet", help_text=self.fields["owner"].help_text
        )
        self.fields["review_on"] = forms.DateField(
            label="Next review of the need for it",
            required=False,
            input_formats=DATES,
            error_messages={"invalid": NO_DATE},
            help_text=self.fields["review_on"].help_text,
            widget=forms.DateInput(format="%d/%m/%Y"),
        )
        if not self.adding:
            del self.fields["key"]
        worded(self)

    def clean_key(self) -> str:
        """Refuse a short name that is no folder's, or was used before."""
        key: str = self.cleaned_data["key"].strip()
        if not key:
            return ""
        try:
            checked_name(key, "short name")
        except InvalidError as error:
            raise ValidationError(str(error)) from error
        if Camera.objects.filter(key=key).exists():
            msg = "This short name is or was that of another camera: its footage has it. Choose another."
            raise ValidationError(msg)
        return key

    def _post_clean(self) -> None:
        """Check as the table does, with a short name that is good where none was given yet."""
        if self.adding:
            self.instance.key = self.cleaned_data.get("key") or "to-be-made"
        super()._post_clean()  # type: ignore[misc]  # Django's, without a type

    def values(self) -> dict[str, Any]:
        """Return the fields as `changes` takes them."""
        return {name: self.cleaned_data[name] for name in FIELDS if name in self.cleaned_data}


class DeviceForm(forms.Form):
    """A device: where it is, who is let in, and where its streams are."""

    host = forms.CharField(
        label="Address", max_length=253, help_text="The device's address in your network, such as 192.0.2.7."
    )
    port = forms.IntegerField(
        label="RTSP port",
        min_value=1,
        max_value=65535,
        initial=554,
        help_text="554 unless it was changed on the device.",
    )
    username = forms.CharField(label="User name", max_length=200, required=False)
    password = forms.CharField(
        label="Password",
        max_length=MAX_PASSWORD,
        required=False,
        strip=False,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
    )
    forget = forms.BooleanField(label="The device needs no password: forget the one that is kept", required=False)
    onvif_port = forms.IntegerField(
        label="ONVIF port (optional)",
        min_value=1,
        max_value=65535,
        required=False,
        help_text="Usually 80. Left empty, the usual ones are tried.",
    )
    main_url = forms.CharField(
        label="Address of the main stream (optional)",
        max_length=2048,
        required=False,
        help_text="Such as rtsp://192.0.2.7:554/stream1. Left empty, the device is asked where its streams are.",
    )
    sub_url = forms.CharField(
        label="Address of the substream (optional)",
        max_length=2048,
        required=False,
        help_text="The small one, for walls with many pictures.",
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, *args: Any, keeps_password: bool, **named: Any) -> None:
        """`keeps_password`: there is a password already, which stays where the field is left empty."""
        super().__init__(*args, **named)
        if keeps_password:
            self.fields["password"].help_text = "Leave empty to keep the one that is set. It is never shown."
        else:
            self.fields["password"].help_text = "It is kept encrypted, and never shown again."
            del self.fields["forget"]
        worded(self)

    def clean(self) -> dict[str, Any]:
        """Take user and password out of an address that carries them."""
        data = super().clean() or {}
        for name in ("main_url", "sub_url"):
            url = data.get(name) or ""
            address, user, password = bare(url)
            if address != url.strip():
                if (data.get("username") or user) != user:
                    self.add_error(name, "has another user in it than the field for the user name: keep one of them.")
                data["username"], data["password"] = user, data.get("password") or password.get_secret_value()
            data[name] = address
        if data.get("forget") and data.get("password"):
            self.add_error("forget", "A new password was given: leave this unticked.")
        # What is shown again after a fault must not show what was taken out.
        urls = {name: data[name] and shown_url(data[name]) for name in ("main_url", "sub_url")}
        self.data = amended(self, **urls, username=str(data.get("username") or ""), password="")
        return data

    def device(self, streams: tuple[StreamInput, ...] | None = None) -> DeviceInput:
        """Return the device as it was described."""
        data = self.cleaned_data
        named = (StreamInput(kind, data[f"{kind}_url"]) for kind in (Stream.Kind.MAIN.value, Stream.Kind.SUB.value))
        password = SecretStr(data["password"]) if data.get("password") or data.get("forget") else None
        return DeviceInput(
            host=data["host"],
            port=data["port"],
            username=data["username"],
            password=password,
            onvif_port=data["onvif_port"],
            streams=streams if streams is not None else tuple(each for each in named if each.url),
        )


class FilterForm(forms.Form):
    """What is looked for in the register."""

    q = forms.CharField(label="Search", max_length=120, required=False)
    site = forms.IntegerField(label="Site", required=False)
    group = forms.IntegerField(label="Group", required=False)
    state = forms.ChoiceField(label="State", required=False, choices=[("", "Any"), *Camera.State.choices])
    attention = forms.CharField(label="Needs attention", max_length=16, required=False)
    sort = forms.CharField(label="Sorted by", max_length=16, required=False)
    page = forms.IntegerField(required=False, min_value=1)
