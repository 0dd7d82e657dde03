"""Pages of sites."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from overt.control.estate.changes import save_site
from overt.control.estate.forms import SiteForm, amended
from overt.control.estate.models import Site
from overt.control.estate.register import KNOWING, site_for, site_groups_for, sites_for
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.rights import require
from overt.errors import ConflictError


@asks(*KNOWING)
@require_safe
def sites(request: Asked) -> HttpResponse:
    """List the sites that somebody may know of."""
    rows = [
        {
            "pk": each.pk,
            "name": each.name,
            "group": each.group,
            "address": each.address,
            "count": each.count,
            "changeable": request.rights.may(Action.CHANGE_CAMERAS, each.group_id),
        }
        for each in sites_for(request.rights).annotate(count=Count("cameras"))
    ]
    may_change = request.rights.anywhere(Action.CHANGE_CAMERAS)
    return render(request, "estate/sites.html", {"sites": rows, "may_change": may_change})


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: Asked) -> HttpResponse:
    """Add a site."""
    return _form(request, Site(), "Add a site")


@asks(Action.CHANGE_CAMERAS)
@require_http_methods(["GET", "HEAD", "POST"])
def change(request: Asked, site: int) -> HttpResponse:
    """Change a site."""
    row = site_for(request.rights, site)
    require(request.rights, Action.CHANGE_CAMERAS, row.group_id)
    return _form(request, row, f"Change {row.name}")


def _form(request: Asked, row: Site, title: str) -> HttpResponse:
    form = SiteForm(
        request.POST if request.method == "POST" else None,
        instance=row,
        initial={"version": row.version},
        groups=site_groups_for(request.rights, Action.CHANGE_CAMERAS),
        may_add_groups=request.rights.may(Action.CHANGE_CAMERAS),
    )
    status = 400 if form.is_bound else 200
    if form.is_bound and form.is_valid():
        data = form.cleaned_data
        try:
            saved = save_site(form.instance, data["version"] or 0, (data.get("new_group") or "").strip())
        except ConflictError as error:
            status = error.http_status
            now = Site.objects.filter(pk=row.pk).values_list("version", flat=True).first() or 0
            form.add_error(None, str(error))
            form.data = amended(form, version=str(now))
        else:
            messages.success(request, f"{saved.name} was saved.")
            return HttpResponseRedirect(reverse("estate:sites"))
    return render(request, "estate/site_form.html", {"form": form, "title": title}, status=status)
