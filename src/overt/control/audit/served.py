"""The control room's ledger for witnesses and monitors: checkpoint, hash tiles and entry bundles, never a body.

Without signing in, where the setting `serve_ledger` says so. What is served holds nothing about a person: entries are
kinds, times and salted commitments (docs/formats/ledger.md).
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from overt.control.acts.book import book
from overt.control.people.gate import Asked, open_to_all
from overt.errors import InvalidError, MissingError
from overt.ledger.recovery import CHECKPOINT
from overt.ledger.tiles import WIDTH, DirectorySource, parse_path

FOR_GOOD: Final = "public, max-age=31536000, immutable"
"""A full tile never changes (C2SP tlog-tiles)."""


@open_to_all
@require_safe
def ledger_file(request: Asked, path: str) -> HttpResponse:
    """Return a file of the ledger by its path in tlog-tiles."""
    del request
    if not settings.CONTROL.serve_ledger:
        raise Http404
    try:
        width = 0 if path == CHECKPOINT else parse_path(path)[2]
        data = DirectorySource(book().directory).read(path)
    except (InvalidError, MissingError) as error:
        raise Http404 from error
    answer = HttpResponse(
        data, content_type="text/plain; charset=utf-8" if path == CHECKPOINT else "application/octet-stream"
    )
    answer["cache-control"] = FOR_GOOD if width == WIDTH else "no-cache"
    return answer
