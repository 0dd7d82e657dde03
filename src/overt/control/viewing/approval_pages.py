"""Pages of approvals for a shift: one's own, and for auditors those of everybody."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from overt.control.acts.recording import MAX_REFERENCE
from overt.control.people.account_pages import whoever
from overt.control.people.actions import Action
from overt.control.people.gate import Asked as Request
from overt.control.people.gate import asks
from overt.control.people.saving import attempt, status_of
from overt.control.viewing import approvals, purposes
from overt.control.viewing.approvals import MOST, Asked
from overt.control.viewing.holding import holder
from overt.control.viewing.reasons import Reason

HOURS: Final = int(MOST.total_seconds()) // 3600
ENDED: Final = "Your approval for this shift was ended."


class ShiftForm(forms.Form):
    """An approval for a shift."""

    purpose = forms.ChoiceField(label="Purpose", error_messages={"required": "Choose a purpose."})
    reference = forms.CharField(label="Reference", max_length=MAX_REFERENCE, required=False)
    groups = forms.MultipleChoiceField(
        label="Groups of sites", error_messages={"required": "Choose at least one group of sites."}
    )
    hours = forms.IntegerField(
        label="For how many hours",
        min_value=1,
        max_value=HOURS,
        initial=8,
        error_messages={"required": "Say how long."},
    )

    def __init__(self, *positional: Any, request: Request, **named: Any) -> None:
        """Offer what this person may choose."""
        super().__init__(*positional, **named)
        choices: dict[str, Any] = {
            "purpose": [(str(each.pk), each.name) for each in approvals.purposes_for()],
            "groups": [(str(each.pk), each.name) for each in approvals.groups_for(request.rights)],
        }
        for name, offered in choices.items():
            field: Any = self.fields[name]
            field.choices = offered


@asks(Action.SHIFT)
@require_http_methods(["GET", "POST"])
@never_cache
def shift(request: Request) -> HttpResponse:
    """Show one's own approval; open one where there is none."""
    person = whoever(request)
    form = ShiftForm(request.POST if request.method == "POST" else None, request=request)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        asked = Asked(int(told["purpose"]), told["reference"], [int(each) for each in told["groups"]], told["hours"])

        def opened() -> object:
            stated = purposes.stated(Reason(asked.purpose, asked.reference), person.pk)
            return approvals.open_approval(person, request.rights, asked, stated.reference)

        if attempt(form, opened):
            messages.success(request, "The approval holds. Every look is written down as before, and names it.")
            return HttpResponseRedirect(reverse("viewing:shift"))
    context = {"form": form, "approval": approvals.in_force(person.pk), "offered": approvals.purposes_for().exists()}
    return render(request, "viewing/shift.html", context, status=status_of(form))


@asks(Action.SHIFT)
@require_POST
def end_shift(request: Request) -> HttpResponse:
    """End one's own approval at once; what it opened closes."""
    found = approvals.end_approval(whoever(request))
    holder().approval_ended(str(found.pk), ENDED)
    messages.success(request, f"{ENDED} Pictures that it opened close.")
    return HttpResponseRedirect(reverse("viewing:shift"))


@asks(Action.READ_LEDGER)
@require_safe
@never_cache
def shifts(request: Request) -> HttpResponse:
    """List the approvals of everybody, newest first, for auditors."""
    groups = request.rights.where(Action.READ_LEDGER)
    rows = [
        each
        for each in approvals.all_approvals()
        if groups is None or any(group.pk in groups for group in each.groups.all())
    ]
    return render(request, "viewing/shifts.html", {"rows": rows})
