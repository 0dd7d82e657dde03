"""The page “Footage key”: the site's key is made there before anything is recorded, and unlocked after each start.

It asks for the right to change cameras, everywhere: without the key nothing is recorded, so it is part of setting
cameras up. The passphrase opens the key; the right says who may try.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.people.actions import Action
from overt.control.people.gate import asks
from overt.control.people.rights import require
from overt.control.viewing.holding import custody
from overt.errors import ConflictError, ForbiddenError, InvalidError, OvertError
from overt.sealing.custody import MAX_PASSPHRASE, MIN_PASSPHRASE
from overt.sealing.roles import MAX_SITE_NAME

DIFFERENT: Final = "The two passphrases differ: type the same one twice."


class MakeForm(forms.Form):
    """What the site's key is made of."""

    site = forms.CharField(
        label="Name of the site, or of all that this key is for",
        max_length=MAX_SITE_NAME,
        error_messages={"required": "Enter a name."},
    )
    passphrase = forms.CharField(
        label="Passphrase", strip=False, max_length=MAX_PASSPHRASE, error_messages={"required": "Enter a passphrase."}
    )
    again = forms.CharField(
        label="Passphrase, once more",
        strip=False,
        max_length=MAX_PASSPHRASE,
        error_messages={"required": "Enter the passphrase once more."},
    )

    def clean(self) -> dict[str, Any]:
        """Refuse two that differ."""
        told: dict[str, Any] = super().clean() or {}
        if "passphrase" in told and "again" in told and told["passphrase"] != told["again"]:
            self.add_error("again", DIFFERENT)
        return told


class UnlockForm(forms.Form):
    """The passphrase of the site's key."""

    passphrase = forms.CharField(
        label="Passphrase of the site’s key",
        strip=False,
        max_length=MAX_PASSPHRASE,
        error_messages={"required": "Enter the passphrase."},
    )


def _may(request: HttpRequest) -> None:
    require(request.rights, Action.CHANGE_CAMERAS)  # type: ignore[attr-defined]


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def footage_key(request: HttpRequest) -> HttpResponse:
    """Say how it stands with the site's key, and unlock it."""
    _may(request)
    found = custody()
    if not found.made:
        return HttpResponseRedirect(reverse("viewing:make-footage-key"))
    form = UnlockForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            found.unlock(form.cleaned_data["passphrase"])
            record(Kind.KEY_UNLOCKED)
        except ForbiddenError as error:
            record(Kind.KEY_REFUSED)
            form.add_error("passphrase", str(error))
        except OvertError:
            found.lock()
            raise
        else:
            messages.success(request, "Recorded footage is unlocked, until the control room is stopped.")
            return HttpResponseRedirect(reverse("viewing:footage-key"))
    context = {"form": form, "unlocked": found.unlocked}
    return render(request, "viewing/footage_key.html", context, status=422 if form.errors else 200)


@asks(Action.CHANGE_CAMERAS)
@require_POST
def lock(request: HttpRequest) -> HttpResponse:
    """Forget the key again; what somebody looks at now stays open to them."""
    _may(request)
    custody().lock()
    record(Kind.KEY_LOCKED)
    messages.success(request, "Recorded footage is locked. What is open on somebody’s page now stays open there.")
    return HttpResponseRedirect(reverse("viewing:footage-key"))


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def make(request: HttpRequest) -> HttpResponse:
    """Make the site's key; its recovery code is shown once, on the answer to this request."""
    _may(request)
    found = custody()
    if found.made:
        return HttpResponseRedirect(reverse("viewing:footage-key"))
    posted = request.method == "POST"
    form = MakeForm(request.POST if posted else None, initial={"site": settings.CONTROL.organisation})
    if form.is_valid():
        try:
            record(Kind.KEY_MADE, more={"site": form.cleaned_data["site"]})
            code = found.make(form.cleaned_data["site"], form.cleaned_data["passphrase"])
        except InvalidError as error:
            form.add_error("passphrase", _sentence(str(error)))
        except ConflictError as error:
            form.add_error(None, str(error))
        else:
            answer = render(request, "viewing/footage_key_made.html", {"code": code, "key_file": found.key_file})
            answer["cache-control"] = "no-store"
            return answer
    context = {"form": form, "least": MIN_PASSPHRASE}
    return render(request, "viewing/footage_key_make.html", context, status=422 if form.errors else 200)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
