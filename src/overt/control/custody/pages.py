"""Pages about keys in hand: who holds which, what is sealed to them, which policy is in force, what waits."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from overt.control.custody import enrolling, requests, switching, texts
from overt.control.custody.calls import TOUCHING, described, person_of
from overt.control.custody.handing_over import hand_over, site_id
from overt.control.custody.keyrings import is_up_to_date, keyring_of, to_be_sealed_to
from overt.control.custody.models import PolicyInForce, SecurityKey
from overt.control.custody.policies import (
    LEAST_KEYS,
    POLICY_MEANING,
    POLICY_WORDS,
    ROLE_WORDS,
    ROLES,
    KeyRole,
    Policy,
    key_role,
)
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.models import Person
from overt.control.people.rights import require
from overt.control.people.saving import attempt, status_of
from overt.control.people.sessions import unattended

SEEING: Final = (*TOUCHING, Action.READ_LEDGER)
WHY: Final = (
    ("It was lost or stolen", "It was lost or stolen"),
    ("It is broken", "It is broken"),
    ("Its holder leaves, or changes their work", "Its holder leaves, or changes their work"),
    ("Another key takes its place", "Another key takes its place"),
)


class RegisterForm(forms.Form):
    """A security key to be registered; the page's script fills in what the key says."""

    role = forms.ChoiceField(label="What the key is for", choices=[(each.value, ROLE_WORDS[each]) for each in KeyRole])
    label = forms.CharField(label="Name of the key, as it is written on it", max_length=120)


class EndForm(forms.Form):
    """Why a key goes out of use."""

    why = forms.ChoiceField(label="Why it goes out of use", choices=WHY, error_messages={"required": "Say why."})


class PolicyForm(forms.Form):
    """A policy to be put in force."""

    policy = forms.ChoiceField(
        label="What it takes to open recorded footage",
        choices=[(each.value, POLICY_WORDS[each]) for each in Policy],
        error_messages={"required": "Choose a policy."},
    )


def _role(role: KeyRole, may_keep: bool) -> dict[str, Any]:
    found = keyring_of(role)
    keys = list(SecurityKey.objects.select_related("holder", "approved_by").filter(role=role))
    left = enrolling.holders_left([each for each in keys if each.state != SecurityKey.State.ENDED])
    return {
        "role": role.value,
        "words": ROLE_WORDS[role],
        "keyring": found,
        "good": sum(each.state == SecurityKey.State.ADMITTED and each.pk not in left for each in keys),
        "up_to_date": is_up_to_date(role),
        "sealable": bool(to_be_sealed_to(role)),
        "drill_due": found is not None and switching.drill_is_due(found.drilled, timezone.now()),
        "keys": [(each, each.pk in left) for each in keys],
        "may_keep": may_keep,
        "approval_needs_key": keyring_of(enrolling.other_role(role)) is not None,
    }


@asks(*SEEING)
@require_GET
def keys(request: Asked) -> HttpResponse:
    """Say who holds which key, what is to be done, and what waits."""
    requests.tidy()
    policy, person = switching.policy_now(), person_of(request)
    may_keep = request.rights.may(Action.KEEP_KEYS)
    context = {
        "policy": policy,
        "policy_words": POLICY_WORDS[policy],
        "policy_meaning": POLICY_MEANING[policy],
        "since": PolicyInForce.objects.order_by("-id").first(),
        "needed": ROLES[policy],
        "roles": [_role(each, may_keep) for each in KeyRole],
        "least": LEAST_KEYS,
        "me": person,
        "may_keep": may_keep,
        "may_hold": any(request.rights.anywhere(each) for each in enrolling.HOLDING),
        **_waiting(person),
    }
    return render(request, "custody/keys.html", context)


@unattended
@asks(*SEEING)
@require_GET
def waiting(request: Asked) -> HttpResponse:
    """Return the part of that page that changes by itself: what waits for somebody's key."""
    return render(request, "custody/waiting.html", _waiting(person_of(request)))


def _waiting(person: Person) -> dict[str, Any]:
    return {"waiting": [(each, texts.read(each.text)) for each in requests.waiting_for(person)]}


@asks(*TOUCHING)
@require_GET
def register(request: Asked) -> HttpResponse:
    """Register a security key of one's own."""
    return render(request, "custody/register.html", {"form": RegisterForm()})


@asks(Action.KEEP_KEYS)
@require_POST
def approve(request: Asked, key: UUID) -> HttpResponse:
    """Approve somebody else’s key, while the other role has none that could be touched for it."""
    made = enrolling.approve(person_of(request), request.rights, key)
    messages.success(request, f"“{made.label}” is approved. The keyring is to be sealed to it.")
    return HttpResponseRedirect(reverse("custody:keys"))


@asks(*TOUCHING)
@require_http_methods(["GET", "POST"])
def end(request: Asked, key: UUID) -> HttpResponse:
    """Take a key out of use."""
    found = enrolling.key_of(key)
    if found.holder_id != person_of(request).pk:
        require(request.rights, Action.KEEP_KEYS)
    form = EndForm(request.POST if request.method == "POST" else None)
    me, mine = person_of(request), request.rights
    if form.is_valid() and attempt(form, lambda: enrolling.end(me, mine, key, form.cleaned_data["why"])) is not None:
        messages.success(request, f"“{found.label}” opens nothing here any more. Seal the keyring anew now.")
        return HttpResponseRedirect(reverse("custody:keys"))
    return render(request, "custody/end.html", {"form": form, "key": found}, status=status_of(form))


@asks(*TOUCHING)
@require_GET
def keyring(request: Asked, role: str) -> HttpResponse:
    """Found a role’s keyring, or seal it anew."""
    wanted = key_role(role)
    context = {
        "role": _role(wanted, request.rights.may(Action.KEEP_KEYS)),
        "site": site_id(),
        "sealed_to": to_be_sealed_to(wanted),
    }
    return render(request, "custody/keyring.html", context)


@asks(Action.KEEP_KEYS)
@require_http_methods(["GET", "POST"])
def policy(request: Asked) -> HttpResponse:
    """Put another policy in force; where keys are in force, they are asked (`calls.ask_to_switch`)."""
    require(request.rights, Action.KEEP_KEYS)
    now = switching.policy_now()
    form = PolicyForm(request.POST if request.method == "POST" else None, initial={"policy": now.value})
    if form.is_valid():
        wanted = Policy(form.cleaned_data["policy"])

        def change() -> PolicyInForce:
            with transaction.atomic():
                made = switching.switch(person_of(request), request.rights, wanted)
                hand_over()
            return made

        if attempt(form, change):
            messages.success(request, f"The policy “{POLICY_WORDS[wanted]}” is in force for what is recorded from now.")
            return HttpResponseRedirect(reverse("custody:keys"))
    context = {
        "form": form,
        "now": now,
        "meaning": {each.value: POLICY_MEANING[each] for each in Policy},
        "lacking": {each.value: switching.lacking(each) for each in Policy if each != now},
        "words": {each.value: POLICY_WORDS[each] for each in Policy},
        "asks_keys": bool(ROLES[now]),
        "history": PolicyInForce.objects.select_related("by").order_by("-id")[:20],
    }
    return render(request, "custody/policy.html", context, status=status_of(form))


@asks(*TOUCHING)
@require_GET
def key_request(request: Asked, request_id: UUID) -> HttpResponse:
    """Show what keys are asked for, and let somebody answer with theirs."""
    found = requests.request_of(request_id)
    person = person_of(request)
    context = {
        "found": found,
        "told": texts.read(found.text),
        "described": described(found, person),
        "may_recover": request.rights.may(Action.KEEP_KEYS),
        "site": site_id(),
    }
    return render(request, "custody/request.html", context)
