"""Rows as JSON lines, with moments to the microsecond: Django's own form of them cuts at the millisecond."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.serializers import jsonl
from django.core.serializers.json import DjangoJSONEncoder


class ExactEncoder(DjangoJSONEncoder):
    """Writes moments whole."""

    def default(self, o: Any) -> Any:
        """Return what stands for a value that JSON has no form for."""
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class Serializer(jsonl.Serializer):
    """A row a line."""

    def serialize(self, *args: Any, **options: Any) -> Any:
        """Write rows as `django.core.serializers.base.Serializer.serialize` does, with our encoder."""
        return super().serialize(*args, **{**options, "cls": ExactEncoder})


Deserializer = jsonl.Deserializer
