"""What a page says when something behind it is away: the database, a recorder, the disk. Recording goes on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines

from overt.errors import OvertError

RETRY_S: Final = 5
_LOG: Final = logging.getLogger(__name__)


class UnavailableMiddleware:
    """Stands outermost: turns errors of ours and of the database into pages, with the status that each kind has."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Stand before `get_response`."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return a page for an error that is known; None for one that is a fault of ours."""
        return known_failure(request, error)


def known_failure(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """Return the page of an error that says by itself what is the matter; None for a fault of ours."""
    if isinstance(error, OvertError):
        return failure(request, error.http_status, str(error), error.kind)
    if isinstance(error, OperationalError | InterfaceError):
        return database_away(request, error)
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what failed outside a view, in what stands around it (Django's `handler500`)."""
    known = known_failure(request, sys.exc_info()[1])
    words = (
        "Something went wrong here, and was logged. Recording is not affected. Try again, or tell whoever runs this."
    )
    return known or failure(request, 500, words, "error")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address at which nothing is (Django's `handler404`)."""
    del exception
    return failure(request, 404, "There is nothing at this address, or you may not know of it.", "missing")


def denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django itself refuses (`handler403`)."""
    return failure(request, 403, str(exception) or "You may not do this.", "forbidden")


def malformed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django cannot take (`handler400`)."""
    del exception
    return failure(request, 400, "This request cannot be understood: go back and try again.", "invalid")


def without_token(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that did not come from a page of ours (`CSRF_FAILURE_VIEW`)."""
    del reason
    words = (
        "This form did not come from a page of this system, or was open too long. Go back, load the page, try again."
    )
    return failure(request, 403, words, "forbidden")


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer who asks too often (django-allauth's `handler429`)."""
    words = "Too many attempts came from here. Wait a minute, then try again."
    answer = failure(request, 429, words, "unavailable")
    answer["Retry-After"] = "60"
    return answer


def database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """Say that the database does not answer; the log has the reason, the page has not."""
    _LOG.error("the database does not answer: %s", error)
    words = "The database does not answer just now. Cameras are recorded all the same. Try again in a moment."
    return failure(request, 503, words, "unavailable")


def failure(request: HttpRequest, status: int, message: str, kind: str) -> HttpResponse:
    """Return an error as a page, or as JSON where the API was asked. Asks no database."""
    response: HttpResponse
    if request.path.startswith("/api/"):
        response = JsonResponse({"error": {"kind": kind, "message": message}}, status=status)
    else:
        page = engines["jinja2"].get_template("failure.html")
        response = HttpResponse(
            page.render({"message": message, "status": status, "bare": True}, request), status=status
        )
    if status == 503:
        response["Retry-After"] = str(RETRY_S)
    return response
