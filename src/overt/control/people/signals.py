"""What is said when somebody may do less than a moment ago: open pictures have to close."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

rights_changed: Final = Signal()
"""Sent after the transaction, with `people`: the ids of those whose rights changed, or whose account ended."""
session_ended: Final = Signal()
"""Sent with `session_key`: somebody signed out, or was signed out."""
