"""Two people save one form: the second is told, and overwrites nothing that they did not see."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from overt.control.people.models import Person, Role, SiteGroup
from overt.errors import ConflictError


def save(instance: Person | Role | SiteGroup, version: int, *fields: str) -> None:
    """Save some fields if nobody saved the row since it had this version.

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
    instance.version = version + 1
