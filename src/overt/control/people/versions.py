"""Two people save one form: the second is told, and overwrites nothing that they did not see."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet

from overt.errors import ConflictError


def save(instance: Model, version: int, *fields: str) -> None:
    """Save some fields of a row that has a `version` if nobody saved it since it had this one.

    Raises:
        ConflictError: somebody did, or the row is gone.
    """
    values = {name: getattr(instance, name) for name in fields}
    rows: QuerySet[Any] = type(instance)._default_manager.filter(version=version)  # noqa: SLF001
    changed = rows.filter(pk=instance.pk).update(**values, version=version + 1)
    if not changed:
        raise ConflictError(
            "Somebody else changed this while you had it open, so yours was not saved. "
            "Compare with what it says now, then save again."
        )
    instance.version = version + 1  # type: ignore[attr-defined]
