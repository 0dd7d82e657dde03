"""Pages for who manages people: the list, accounts, and the roles that people have."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from overt.control.people import invitations, managing
from overt.control.people.actions import Action
from overt.control.people.forms import AccountForm, AppointmentForm, FindForm, NewPersonForm, last_day_of
from overt.control.people.gate import Asked, asks
from overt.control.people.links import Link
from overt.control.people.managing_rules import may_give
from overt.control.people.models import Person
from overt.control.people.saving import attempt, status_of, version_of
from overt.control.people.second_factor import has_second_factor
from overt.errors import ForbiddenError, MissingError

PER_PAGE = 50
SOON = timedelta(days=30)
manages = asks(Action.MANAGE_PEOPLE)


@manages
@require_GET
def people(request: Asked) -> HttpResponse:
    """List the people whose accounts are one's business."""
    form = FindForm(request.GET)
    found = managing.people_of(request.rights).prefetch_related("appointments__role", "appointments__group")
    chosen = form.cleaned_data if form.is_valid() else {}
    page = Paginator(filtered(found, chosen), PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "query": _without_page(request), "soon": timezone.now() + SOON}
    return render(request, "people/people.html", context)


def filtered(people: QuerySet[Person], chosen: dict[str, Any]) -> QuerySet[Person]:
    """Return those that a filter leaves."""
    now = timezone.now()
    words, role, state = (chosen.get(name, "") for name in ("q", "role", "state"))
    if words:
        people = people.filter(Q(name__icontains=words) | Q(email__icontains=words))
    if role:
        people = people.filter(appointments__role_id=int(role)).distinct()
    if state == "removed":
        return people.filter(is_active=False)
    people = people.filter(is_active=True)
    if state == "invited":
        return people.filter(last_login__isnull=True, password__startswith=UNUSABLE_PASSWORD_PREFIX)
    if state == "ending":
        return people.filter(expires_at__gt=now, expires_at__lte=now + SOON)
    return people.filter(expires_at__lte=now) if state == "ended" else people


@manages
@never_cache
def add(request: Asked) -> HttpResponse:
    """Make an account; the answer shows the link for its owner, once."""
    form = NewPersonForm(request.POST or None, manager=request.rights)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        made = attempt(
            form,
            lambda: managing.add_person(
                request.rights,
                email=told["email"],
                name=told["name"],
                employer=told["employer"],
                expires_at=told["expires_at"],
                role_id=told["role"],
                group_id=told["group"],
            ),
        )
        if made is not None:
            return _handed_out(request, *made)
    return render(request, "people/person_add.html", {"form": form}, status=status_of(form))


@manages
@require_GET
def person(request: Asked, person: UUID) -> HttpResponse:
    """Show an account and its roles."""
    found = managing.person_of(request.rights, person)
    return _person(request, found, AppointmentForm(manager=request.rights))


@manages
@require_POST
def appoint(request: Asked, person: UUID) -> HttpResponse:
    """Give somebody a role."""
    found = managing.person_of(request.rights, person)
    form = AppointmentForm(request.POST, manager=request.rights)
    if form.is_valid():
        told = form.cleaned_data
        made = attempt(form, lambda: managing.appoint(request.rights, person, told["role"], told["group"]))
        if made is not None:
            messages.success(request, f"{found.name} has the role {made.role.name} now.")
            return _back(found)
    return _person(request, found, form)


@manages
@require_POST
def withdraw(request: Asked, person: UUID, appointment: int) -> HttpResponse:
    """Take a role from somebody."""
    found = managing.withdraw(request.rights, person, appointment)
    messages.success(request, f"The role was taken from {found.name}.")
    try:
        managing.person_of(request.rights, person)
    except MissingError:  # it was the last role that made them the manager's business
        return HttpResponseRedirect(reverse("people:people"))
    return _back(found)


@manages
def change(request: Asked, person: UUID) -> HttpResponse:
    """Change an account's name, employer and end."""
    found = managing.person_of(request.rights, person)
    if not managing.changes(request.rights, found):
        raise ForbiddenError(managing.NOT_YOURS)
    now = {"name": found.name, "employer": found.employer, "last_day": last_day_of(found.expires_at)}
    form = AccountForm(request.POST if request.method == "POST" else None, initial=now)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        values = {name: told[name] for name in ("name", "employer", "expires_at")}
        version = version_of(request.POST.get("version"))
        if attempt(form, lambda: managing.change_person(request.rights, person, version, **values)):
            messages.success(request, "The account was changed.")
            return _back(found)
    found.refresh_from_db()
    context = {"form": form, "subject": found, "last_day": last_day_of(found.expires_at)}
    return render(request, "people/person_change.html", context, status=status_of(form))


@manages
def remove(request: Asked, person: UUID) -> HttpResponse:
    """Ask, then close an account."""
    found = managing.person_of(request.rights, person)
    if request.method != "POST":
        return render(request, "people/person_remove.html", {"subject": found})
    managing.remove_person(request.rights, person)
    messages.success(request, f"{found.name} was removed, and signed out everywhere.")
    return HttpResponseRedirect(reverse("people:people"))


@manages
@require_POST
@never_cache
def restore(request: Asked, person: UUID) -> HttpResponse:
    """Open an account again that was removed."""
    found = managing.person_of(request.rights, person)
    return _handed_out(request, found, managing.restore_person(request.rights, person))


@manages
@require_POST
@never_cache
def invite(request: Asked, person: UUID) -> HttpResponse:
    """Make a new link for somebody to choose a password."""
    found = managing.person_of(request.rights, person)
    return _handed_out(request, found, managing.invite_again(request.rights, person))


@manages
@require_POST
def forget(request: Asked, person: UUID) -> HttpResponse:
    """Forget the passkeys and codes that somebody lost."""
    found = managing.forget_second_factor(request.rights, person)
    messages.success(request, f"{found.name} has to set up a second step again, after the password.")
    return _back(found)


def _person(request: Asked, found: Person, form: AppointmentForm) -> HttpResponse:
    rows = [
        {
            "row": each,
            "may_withdraw": may_give(request.rights, each.role.actions, each.group_id),
            "shown": request.rights.may(Action.MANAGE_PEOPLE, each.group_id),
        }
        for each in found.appointments.select_related("role", "group").order_by("role__name", "group__name")
    ]
    context = {
        "subject": found,
        "appointments": [each for each in rows if each["shown"]],
        "hidden": sum(not each["shown"] for each in rows),
        "may_change": managing.changes(request.rights, found),
        "second_factor": has_second_factor(found),
        "last_day": last_day_of(found.expires_at),
        "form": form,
    }
    return render(request, "people/person.html", context, status=status_of(form))


def _handed_out(request: HttpRequest, found: Person, link: Link) -> HttpResponse:
    """Send the link by mail where that is possible, and show it in any case: once."""
    context = {"subject": found, "link": link, "sent": invitations.send(found, link), "mail": invitations.can_send()}
    return render(request, "people/link.html", context)


def _back(found: Person) -> HttpResponse:
    return HttpResponseRedirect(reverse("people:person", args=[found.pk]))


def _without_page(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("page", None)
    return query.urlencode()
