"""What templates know: addresses, assets, moments as people write them, and who looks at the page."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader

from overt.control.acts.moments import in_words
from overt.control.people.rights import rights_of
from overt.control.project.navigation import entries_for
from overt.control.project.settings import CONTROL


def environment(**options: Any) -> Environment:
    """Make the Jinja environment: our templates, and the macros of GOV.UK Frontend."""
    ours = options.pop("loader")
    macros = PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")})
    # Django passes `autoescape=True` unless its settings say otherwise; ours do not.
    made = Environment(  # noqa: S701
        **options, loader=ChoiceLoader([ours, macros]), trim_blocks=True, lstrip_blocks=True
    )
    made.globals.update(static=static, url=_url, organisation=CONTROL.organisation)
    made.filters.update(moment=moment, moment_of=in_words, day=day)
    return made


def shared(request: HttpRequest) -> dict[str, Any]:
    """Return what every page has: who looks at it, and where they may go. Nothing for a page of a failure."""
    person = getattr(request, "user", None)
    known = person is not None and person.is_authenticated
    return {
        "person": person if known else None,
        "navigation": entries_for(rights_of(person), request.path) if known else [],
    }


def moment(value: dt.datetime | None) -> str:
    """Write a moment in local time with its zone: `25 November 2026, 14:05:09 GMT`."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return f"{local.day} {local:%B %Y, %H:%M:%S %Z}"


def day(value: dt.date | None) -> str:
    """Write a day: `25 November 2026`."""
    return "" if value is None else f"{value.day} {value:%B %Y}"


@functools.lru_cache(maxsize=16_384)
def _url(name: str, *arguments: Any, **named: Any) -> str:
    """Return the address of a page. Kept: addresses do not change, and a long list asks for a thousand."""
    return reverse(name, args=arguments or None, kwargs=named or None)
