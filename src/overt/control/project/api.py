"""The API: what the pages do, for programs. Each app brings a router; here they become one, with one way to fail."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError, IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from overt.control.audit import api as audit
from overt.control.estate import api as estate
from overt.control.failures import failure
from overt.control.health import api as health
from overt.control.people import api as people
from overt.control.people.api_access import SessionAccess, TokenAccess, admitted
from overt.control.people.gate import API
from overt.control.viewing import api as viewing
from overt.errors import OvertError

DESCRIPTION: Final = """What the pages do, for programs, with the same rights.

Send a token that you made on your account page: `Authorization: Bearer TOKEN`. An error is
`{"error": {"kind", "message"}}`; kinds are `invalid` (400), `forbidden` (401: say who you are; 403: you may not),
`missing` (404), `conflict` (409: load it again) and `unavailable` (503, 429: try again later).
"""
KINDS: Final = {400: "invalid", 401: "forbidden", 403: "forbidden", 404: "missing", 409: "conflict", 422: "invalid"}


class _Api(NinjaAPI):
    """An API whose description is built once: nothing changes it once the program runs."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._described: dict[str, OpenAPISchema] = {}

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the description of every operation."""
        prefix = self.get_root_path(path_params or {}) if path_prefix is None else path_prefix
        if prefix not in self._described:
            self._described[prefix] = super().get_openapi_schema(path_prefix=prefix)
        return self._described[prefix]


api: Final = _Api(
    title="Overt",
    version="1",
    description=DESCRIPTION,
    urls_namespace=API,
    docs_url=None,
    auth=[TokenAccess(), SessionAccess()],
)
api.add_decorator(admitted, mode="view")
api.add_router("", people.router)
api.add_router("", estate.router)
api.add_router("", health.router)
api.add_router("", viewing.router)
api.add_router("", audit.router)


@api.exception_handler(OvertError)
def ours(request: HttpRequest, error: OvertError) -> HttpResponse:
    """Answer an error that was raised on purpose."""
    return failure(request, error.http_status, str(error), error.kind)


@api.exception_handler(ValidationError)
def malformed(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Answer a request that is not as the schema wants it; what was sent is not repeated."""
    found = (f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors)
    return failure(request, 400, "; ".join(found), "invalid")


@api.exception_handler(ModelValidationError)
def refused(request: HttpRequest, error: ModelValidationError) -> HttpResponse:
    """Answer values that a table does not take."""
    if hasattr(error, "error_dict"):
        words = "; ".join(f"{field}: {' '.join(said)}" for field, said in error.message_dict.items())
    else:
        words = " ".join(error.messages)
    return failure(request, 400, words, "invalid")


@api.exception_handler(IntegrityError)
def meanwhile(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    """Answer who did the same as somebody else at the same moment."""
    del error
    return failure(
        request, 409, "Somebody else changed the same thing at this moment. Load it and try again.", "conflict"
    )


@api.exception_handler(DataError)
@api.exception_handler(OverflowError)
def too_large(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer a number for which a column has no room."""
    del error
    return failure(request, 400, "A number in this request is larger than any that is kept here.", "invalid")


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """Answer what is not there."""
    del error
    return failure(request, 404, "There is nothing at this address, or you may not know of it.", "missing")


@api.exception_handler(AuthenticationError)
def unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """Answer who does not say who they are."""
    del error
    return failure(request, 401, "Sign in, or send a token: Authorization: Bearer TOKEN.", "forbidden")


@api.exception_handler(HttpError)
def other(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Answer what django-ninja itself refuses."""
    words = {
        403: "This change did not come from a page of this system: send its X-CSRFToken, or use a token.",
        400: "The body of this request is no JSON.",
    }
    status = error.status_code
    return failure(request, status, words.get(status, str(error)), KINDS.get(status, "unavailable"))
