"""Calls that pages make without being loaded anew: JSON, under the sign-in of the page.

Errors are `{"error": {"kind", "message"}}` with the status of their kind.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.core.exceptions import ValidationError as FieldError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods
from pydantic import BaseModel, ValidationError

from overt.control.people.actions import Action
from overt.control.people.gate import asks
from overt.errors import InvalidError, OvertError

MAX_BODY: Final = 64 * 1024
Read = TypeVar("Read", bound=BaseModel)


def call(*methods: str, actions: tuple[Action, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a view of a function that returns plain values (None: 204) and raises OvertError, or what models refuse."""

    def make(function: Callable[..., Any]) -> Callable[..., HttpResponse]:
        @asks(*actions)
        @require_http_methods([*methods])
        @functools.wraps(function)
        def view(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            try:
                found = function(request, *arguments, **named)
            except FieldError as error:
                return _refusal(InvalidError(" ".join(error.messages)))
            except OvertError as error:
                return _refusal(error)
            answer = HttpResponse(status=204) if found is None else JsonResponse(found)
            answer["cache-control"] = "no-store"
            return answer

        return view

    return make


def _refusal(error: OvertError) -> JsonResponse:
    return JsonResponse({"error": {"kind": error.kind, "message": str(error)}}, status=error.http_status)


def read(request: HttpRequest, model: type[Read], limit: int = MAX_BODY) -> Read:
    """Read the body of a request, of at most `limit` bytes.

    Raises:
        InvalidError: naming the first wrong field; values are never repeated.
    """
    if request.content_type != "application/json" or len(request.body) > limit:
        msg = f"The body must be JSON (application/json) of at most {limit} bytes."
        raise InvalidError(msg)
    try:
        return model.model_validate_json(request.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"][:4]) or "the body"
        raise InvalidError(f"{where}: {first['msg']}") from None
