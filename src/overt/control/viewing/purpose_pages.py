"""Pages of the register of purposes: who may look back, or read who did, sees it; who sets up cameras changes it."""

from __future__ import annotations

from typing import ClassVar, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from overt.control.people.actions import WORDS, Action
from overt.control.people.gate import Asked, asks
from overt.control.people.rights import require
from overt.control.people.saving import attempt, status_of, version_of
from overt.control.viewing import purposes as rules
from overt.control.viewing.models import OPENABLE, Purpose

SEEING: Final = (Action.REPLAY, Action.RECORDED, Action.CHANGE_CAMERAS, Action.READ_LEDGER)


class PurposeForm(forms.ModelForm[Purpose]):
    """One purpose."""

    opens = forms.MultipleChoiceField(
        label="What may be opened for it",
        choices=[(each.value, WORDS[each]) for each in OPENABLE],
        error_messages={"required": "Choose what may be opened for this purpose: at least one."},
    )
    needs_reference = forms.BooleanField(label="A reference has to be given", required=False)
    may_stand = forms.BooleanField(label="May be approved for a shift", required=False)
    in_use = forms.BooleanField(label="In use", required=False)

    class Meta:
        """Fields of the table that the form changes."""

        model = Purpose
        fields: ClassVar[list[str]] = [*rules.FIELDS]
        error_messages: ClassVar[dict[str, dict[str, str]]] = {
            "name": {"required": "Enter the purpose.", "unique": "There is a purpose of this name already."},
            "legal_basis": {"required": "Enter the legal basis."},
            "reference_name": {"required": "Say what the reference is, such as: Incident number."},
        }


@asks(*SEEING)
@require_GET
def purposes(request: Asked) -> HttpResponse:
    """List the register."""
    context = {
        "purposes": rules.all_purposes(),
        "words": WORDS,
        "actions": OPENABLE,
        "may_change": request.rights.may(Action.CHANGE_CAMERAS),
        "may_open": request.rights.anywhere(Action.SHIFT),
        "may_audit": request.rights.anywhere(Action.READ_LEDGER),
    }
    return render(request, "viewing/purposes.html", context)


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def add(request: Asked) -> HttpResponse:
    """Put a purpose into the register."""
    require(request.rights, Action.CHANGE_CAMERAS)
    form = PurposeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        if attempt(form, lambda: rules.add_purpose(request.rights, told)):
            messages.success(request, "The purpose was added.")
            return HttpResponseRedirect(reverse("viewing:purposes"))
    return render(request, "viewing/purpose_form.html", {"form": form}, status=status_of(form))


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "POST"])
def change(request: Asked, purpose: int) -> HttpResponse:
    """Change a purpose, from now on."""
    require(request.rights, Action.CHANGE_CAMERAS)
    stored = rules.purpose_of(purpose)
    form = PurposeForm(request.POST if request.method == "POST" else None, instance=rules.purpose_of(purpose))
    if request.method == "POST" and form.is_valid():
        version = version_of(request.POST.get("version"))
        if attempt(form, lambda: rules.change_purpose(request.rights, purpose, version, form.cleaned_data)):
            messages.success(request, "The purpose was changed. What was looked at before keeps the words of its time.")
            return HttpResponseRedirect(reverse("viewing:purposes"))
    context = {"form": form, "purpose": stored}
    return render(request, "viewing/purpose_form.html", context, status=status_of(form))
