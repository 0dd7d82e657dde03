"""The words of messages: subject, text, and the same for programs. Plain functions on plain values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from overt.control.health.incidents import News, Standing, What
from overt.control.health.kinds import KINDS
from overt.control.health.plain_text import plain
from overt.control.health.severity import SEVERITY_WORDS

MAX_SUBJECT: Final = 180
MAX_NAMED: Final = 10
"""Conditions of a group that are named; the page has the others."""
MAX_NEWS: Final = 30
"""Things that one message tells; the page has the others."""


@dataclass(frozen=True, slots=True)
class Words:
    """A message before it is addressed."""

    subject: str
    body: str
    data: dict[str, Any]


def message(told: Sequence[News], organisation: str, page: str, zone: dt.tzinfo) -> Words:
    """Put what there is to say into one message; `page` is the address of the health page."""
    headlines = [headline(each) for each in told]
    first = headlines[0] if len(told) == 1 else f"{len(told)} messages: {headlines[0]}, and more"
    parts = [_part(each, line, zone) for each, line in zip(told[:MAX_NEWS], headlines, strict=False)]
    if len(told) > MAX_NEWS:
        parts.append(f"And {len(told) - MAX_NEWS} more: see the health page.")
    end = f"What stands now: {page}\nThis message comes from the CCTV system of {plain(organisation, 120)}."
    data = {
        "organisation": plain(organisation, 120),
        "page": page,
        "subject": first[:MAX_SUBJECT],
        "news": [_data(each, line) for each, line in zip(told[:MAX_NEWS], headlines, strict=False)],
        "more": max(0, len(told) - MAX_NEWS),
    }
    return Words(plain(first, MAX_SUBJECT), "\n\n".join([*parts, end]) + "\n", data)


def trial(rule: str, organisation: str, page: str) -> Words:
    """Return the message that shows whether a rule's address works."""
    subject = f"Test of the alert “{plain(rule, 120)}”"
    body = f"This is a test: nothing is wrong. Alerts of this rule will arrive here.\n\nWhat stands now: {page}\n"
    data = {"organisation": plain(organisation, 120), "page": page, "subject": subject, "news": [], "test": True}
    return Words(subject, body, data)


def headline(told: News) -> str:
    """Say in a line what it is."""
    if not told.place:
        title = plain(told.conditions[0].title, 160)
        return {What.OVER: f"Over: {title}", What.AGAIN: f"Still: {title}"}.get(told.what, title)
    count, left = len(told.conditions), len(told.remaining)
    place = plain(told.place, 120)
    return {
        What.BEGAN: f"{count} cameras lost at {place}",
        What.SOME_BACK: f"{count - left} of {count} cameras back at {place}, {left} still lost",
        What.OVER: f"All {count} cameras back at {place}",
        What.AGAIN: f"Still: {left} cameras lost at {place}",
    }[told.what]


def _part(told: News, line: str, zone: dt.tzinfo) -> str:
    first = min(each.since for each in told.conditions)
    lines = [line, ""]
    if told.place:
        shown = told.conditions if told.what in {What.BEGAN, What.OVER} else told.remaining
        lines += [f"- {plain(each.title, 200)}" for each in shown[:MAX_NAMED]]
        if len(shown) > MAX_NAMED:
            lines.append(f"- and {len(shown) - MAX_NAMED} more")
        if told.what is What.BEGAN:
            lines.append("They were lost together: look first at what they share, such as a switch or its power.")
    else:
        lines.append(plain(told.conditions[0].words, 1000))
    lines.append(f"Since {_moment(first, zone)}.")
    if told.what is What.OVER:
        lines.append(f"Over since {_moment(max(each.until for each in told.conditions if each.until), zone)}.")
    else:
        worst = min((each.severity for each in told.remaining), key=lambda each: each.rank)
        lines.append(f"Severity: {SEVERITY_WORDS[worst].lower()}.")
        kind = KINDS.get(told.remaining[0].kind)
        lines += [f"What to do: {kind.advice}"] if kind and not told.place else []
    return "\n".join(lines)


def _moment(value: dt.datetime, zone: dt.tzinfo) -> str:
    local = value.astimezone(zone)
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def _data(told: News, line: str) -> dict[str, Any]:
    return {
        "what": told.what.value,
        "headline": line,
        "place": plain(told.place, 120),
        "count": len(told.conditions),
        "remaining": len(told.remaining),
        "conditions": [_condition(each) for each in told.conditions[:MAX_NAMED]],
    }


def _condition(each: Standing) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "severity": each.severity.value,
        "camera": each.camera or None,
        "site": plain(each.site, 120) or None,
        "title": plain(each.title, 200),
        "words": plain(each.words, 1000),
        "since": each.since.isoformat(),
        "until": each.until.isoformat() if each.until else None,
    }
