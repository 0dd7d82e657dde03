"""Pages of roles and of groups of sites. Who manages people somewhere sees them; who does everywhere changes them."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from overt.control.people import roles as rules
from overt.control.people.actions import Action
from overt.control.people.forms import GroupForm, RoleForm
from overt.control.people.gate import Asked, asks
from overt.control.people.managing import groups_of
from overt.control.people.managing_rules import manages_everywhere
from overt.control.people.models import Role, SiteGroup
from overt.control.people.rights import require
from overt.control.people.saving import attempt, status_of, version_of

manages = asks(Action.MANAGE_PEOPLE)


@manages
@require_GET
def roles(request: Asked) -> HttpResponse:
    """List the roles and what they allow."""
    found = Role.objects.annotate(holders=Count("appointments__person", distinct=True))
    return render(request, "people/roles.html", {"roles": found, "may_change": manages_everywhere(request.rights)})


@manages
def add_role(request: Asked) -> HttpResponse:
    """Make a role."""
    require(request.rights, Action.MANAGE_PEOPLE)
    form = RoleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        if attempt(form, lambda: rules.add_role(request.rights, told["name"], told["actions"])):
            messages.success(request, f"The role {told['name']} was made.")
            return HttpResponseRedirect(reverse("people:roles"))
    return render(request, "people/role_form.html", {"form": form}, status=status_of(form))


@manages
def role(request: Asked, role: int) -> HttpResponse:
    """Change a role."""
    require(request.rights, Action.MANAGE_PEOPLE)
    found = rules.role_of(role)
    form = RoleForm(request.POST if request.method == "POST" else None, instance=found)
    if request.method == "POST" and form.is_valid():
        told, version = form.cleaned_data, version_of(request.POST.get("version"))
        if attempt(form, lambda: rules.change_role(request.rights, role, version, told["name"], told["actions"])):
            messages.success(request, "The role was changed, for everybody who has it.")
            return HttpResponseRedirect(reverse("people:roles"))
    stored = rules.role_of(role)
    context = {"form": form, "role": stored, "holders": stored.appointments.values("person").distinct().count()}
    return render(request, "people/role_form.html", context, status=status_of(form))


@manages
@require_POST
def delete_role(request: Asked, role: int) -> HttpResponse:
    """Delete a role that nobody has."""
    rules.delete_role(request.rights, role)
    messages.success(request, "The role was deleted.")
    return HttpResponseRedirect(reverse("people:roles"))


@manages
@require_GET
def groups(request: Asked) -> HttpResponse:
    """List the groups of sites at which one manages people."""
    counted = groups_of(request.rights).annotate(
        site_count=Count("sites", distinct=True), holders=Count("appointments__person", distinct=True)
    )
    return render(request, "people/groups.html", {"groups": counted, "may_change": manages_everywhere(request.rights)})


@manages
def add_group(request: Asked) -> HttpResponse:
    """Make a group of sites."""
    require(request.rights, Action.MANAGE_PEOPLE)
    form = GroupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["name"]
        if attempt(form, lambda: rules.add_group(request.rights, name)):
            messages.success(request, f"The group {name} was made.")
            return HttpResponseRedirect(reverse("people:groups"))
    return render(request, "people/group_form.html", {"form": form}, status=status_of(form))


@manages
def group(request: Asked, group: int) -> HttpResponse:
    """Rename a group of sites."""
    require(request.rights, Action.MANAGE_PEOPLE)
    found = rules.group_of(group)
    form = GroupForm(request.POST if request.method == "POST" else None, instance=found)
    if request.method == "POST" and form.is_valid():
        name, version = form.cleaned_data["name"], version_of(request.POST.get("version"))
        if attempt(form, lambda: rules.rename_group(request.rights, group, version, name)):
            messages.success(request, "The group was renamed.")
            return HttpResponseRedirect(reverse("people:groups"))
    stored: SiteGroup = rules.group_of(group)
    return render(request, "people/group_form.html", {"form": form, "group": stored}, status=status_of(form))


@manages
@require_POST
def delete_group(request: Asked, group: int) -> HttpResponse:
    """Delete a group without sites."""
    rules.delete_group(request.rights, group)
    messages.success(request, "The group was deleted.")
    return HttpResponseRedirect(reverse("people:groups"))
