"""What a page does with a refusal that belongs beside the fields: it shows the form again, with what was typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from overt.errors import ConflictError, InvalidError

Result = TypeVar("Result")


def attempt(form: forms.BaseForm, change: Callable[[], Result]) -> Result | None:
    """Carry out a change that a valid form asks for; None if the form now has errors to show."""
    try:
        return change()
    except ValidationError as error:
        by_field = error.message_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.messages}
        for field, messages in by_field.items():
            for message in messages:
                form.add_error(field if field in form.fields else None, message)
    except InvalidError as error:
        form.add_error(None, str(error))
    except ConflictError as error:
        form.add_error(None, ValidationError(str(error), code="conflict"))
    return None


def status_of(form: forms.BaseForm) -> int:
    """Return the HTTP status of a page that shows a form: 409 if somebody else was quicker, 422 if it has errors."""
    if form.has_error(NON_FIELD_ERRORS, "conflict"):
        return 409
    return 422 if form.errors else 200


def version_of(posted: str | None) -> int:
    """Return the version that a form was made of; -1, which no row has, for what is no number."""
    return int(posted) if posted and posted.isascii() and posted.isdigit() and len(posted) < 10 else -1
