"""Where somebody may go: the entries at the head of each page, and the page that is shown first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from overt.control.people.actions import Action
from overt.control.people.gate import for_anyone_signed_in
from overt.control.people.rights import Rights, rights_of
from overt.control.viewing import holding


@dataclass(frozen=True, slots=True)
class Entry:
    """One of the main pages."""

    words: str
    url_name: str
    actions: tuple[Action, ...] = ()
    """Shown to who may do one of these somewhere; empty: to everybody."""


ENTRIES: Final = (
    Entry("Live wall", "viewing:wall", (Action.LIVE,)),
    Entry("Look back", "viewing:review", (Action.RECORDED, Action.REPLAY)),
    Entry("Plans", "viewing:plans", (Action.LIVE, Action.RECORDED, Action.CHANGE_CAMERAS, Action.INSPECT)),
    Entry(
        "Sites and cameras",
        "estate:cameras",
        (Action.CHANGE_CAMERAS, Action.INSPECT, Action.PLAN, Action.LIVE, Action.READ_LEDGER),
    ),
    Entry(
        "Health",
        "health:now",
        (Action.LIVE, Action.CHANGE_CAMERAS, Action.INSPECT, Action.PLAN, Action.READ_LEDGER),
    ),
    Entry("People", "people:people", (Action.MANAGE_PEOPLE,)),
    Entry("Who did what", "audit:acts", (Action.READ_LEDGER,)),
    Entry("Purposes", "viewing:purposes", (Action.CHANGE_CAMERAS, Action.READ_LEDGER)),
    Entry("Footage key", "viewing:footage-key", (Action.CHANGE_CAMERAS,)),
    Entry("Keys in hand", "custody:keys", (Action.RECORDED, Action.KEEP_KEYS, Action.READ_LEDGER)),
)
"""The main pages, from the left."""


def entries_for(rights: Rights, path: str) -> list[dict[str, Any]]:
    """Return the entries for somebody as the navigation macro takes them, that of `path` marked."""
    found = []
    for each in ENTRIES:
        if each.actions and not any(rights.anywhere(action) for action in each.actions):
            continue
        address = reverse(each.url_name)
        here = path == address or path.startswith(address.rstrip("/") + "/")
        found.append({"text": each.words, "href": address, "active": here, "current": path == address})
    return found


@for_anyone_signed_in
def first(request: HttpRequest) -> HttpResponse:
    """Send somebody to the first page that they may see; to the site's key, while there is none, who may make it."""
    rights = rights_of(request.user)
    if rights.may(Action.CHANGE_CAMERAS) and not holding.custody().made:
        return HttpResponseRedirect(reverse("viewing:footage-key"))
    entries = entries_for(rights, request.path)
    return HttpResponseRedirect(entries[0]["href"] if entries else reverse("people:account"))
