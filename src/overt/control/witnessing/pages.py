"""The page about the recorder's ledger: what was seen of it, what is wrong with it, and how witnessing begins anew."""

from __future__ import annotations

from typing import Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from overt.contract.socket_client import SocketClient
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.rights import require
from overt.control.people.saving import attempt, status_of
from overt.control.witnessing.models import WitnessedLedger
from overt.control.witnessing.source import SocketSource
from overt.control.witnessing.witness import Witnessing, own_witness

MAX_WHY: Final = 400


class AnewForm(forms.Form):
    """Why another ledger is to be witnessed from now on."""

    why = forms.CharField(
        label="Why the recorder has another ledger, or less of it",
        max_length=MAX_WHY,
        error_messages={"required": "Say why, such as: disk replaced on 3 May, work order 4711."},
    )


@asks(Action.READ_LEDGER)
@require_http_methods(["GET", "POST"])
@never_cache
def recorder(request: Asked) -> HttpResponse:
    """Show how the recorder's ledger stands; a POST begins to witness it anew, and is a leaf with its reason."""
    form = AnewForm(request.POST if request.method == "POST" else None)
    witness = own_witness(settings.CONTROL)
    if request.method == "POST" and form.is_valid():
        require(request.rights, Action.READ_LEDGER)
        witnessing = Witnessing(witness, SocketSource(SocketClient(settings.CONTROL.recorder_socket)))
        if attempt(form, lambda: witnessing.accept(form.cleaned_data["why"])):
            messages.success(request, "The ledger that the recorder shows now is witnessed from here on.")
            return HttpResponseRedirect(reverse("witnessing:recorder"))
    context = {"ledgers": WitnessedLedger.objects.all(), "form": form, "witness": witness.key}
    return render(request, "witnessing/recorder.html", context, status=status_of(form))
