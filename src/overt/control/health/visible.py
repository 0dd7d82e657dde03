"""What of health somebody may see: that of cameras in groups where they have a right that needs it."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet

from overt.control.estate.models import Camera, Site
from overt.control.health.kinds import NAMING
from overt.control.health.models import AlertRule, Condition
from overt.control.people.actions import Action
from overt.control.people.models import SiteGroup
from overt.control.people.rights import Rights

SEEING: Final = (Action.LIVE, Action.CHANGE_CAMERAS, Action.INSPECT, Action.PLAN, Action.READ_LEDGER)
"""Whoever may do one of these at a group may see how its cameras fare."""


def seen_groups(rights: Rights, *actions: Action) -> frozenset[int] | None:
    """Return the ids of groups at which one of these is allowed; None: everywhere."""
    wheres = [rights.where(each) for each in actions or SEEING]
    found: frozenset[int] = frozenset()
    for where in wheres:
        if where is None:
            return None
        found |= where
    return found


def cameras_seen(rights: Rights) -> QuerySet[Camera]:
    """Return the cameras whose health somebody may see."""
    groups = seen_groups(rights)
    rows = Camera.objects.select_related("site", "site__group").exclude(state=Camera.State.RETIRED)
    return rows if groups is None else rows.filter(site__group__in=groups)


def sites_seen(rights: Rights) -> QuerySet[Site]:
    """Return the sites of these cameras."""
    groups = seen_groups(rights)
    return Site.objects.all() if groups is None else Site.objects.filter(group__in=groups)


def conditions_seen(rights: Rights) -> QuerySet[Condition]:
    """Return what stands now, as far as somebody may see it: of their cameras, and of what all cameras share."""
    groups = seen_groups(rights)
    rows = Condition.objects.filter(until=None)
    if groups is None:
        return rows
    if not groups:
        return rows.none()
    keys = Camera.objects.filter(site__group__in=groups).values("key")
    return rows.exclude(kind__in=NAMING).filter(Q(camera="") | Q(camera__in=keys))


def rules_changed(rights: Rights) -> QuerySet[AlertRule]:
    """Return the alert rules that somebody may see and change."""
    groups = rights.where(Action.CHANGE_CAMERAS)
    rows = AlertRule.objects.select_related("group")
    return rows if groups is None else rows.filter(group__in=groups)


def groups_changed(rights: Rights) -> QuerySet[SiteGroup]:
    """Return the groups for which somebody may make alert rules."""
    groups = rights.where(Action.CHANGE_CAMERAS)
    return SiteGroup.objects.all() if groups is None else SiteGroup.objects.filter(pk__in=groups)
