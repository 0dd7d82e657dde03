"""How far a recorder is with its assignment: its number, whether the recorder has taken it, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from overt.control.estate.models import RECORDER_NAME, RecorderAssignment

assignment_changed: Final = Signal()
"""Sent after a transaction that changed what is recorded, with `recorder`: its name."""


def state_of(recorder: str = RECORDER_NAME) -> RecorderAssignment:
    """Return how far a recorder is; nothing is awaited of one that was never told anything."""
    return RecorderAssignment.objects.filter(pk=recorder).first() or RecorderAssignment(recorder=recorder)


def changed(recorder: str = RECORDER_NAME) -> None:
    """Raise the number of what a recorder is to record, within the transaction that changed it."""
    with transaction.atomic():
        RecorderAssignment.objects.get_or_create(recorder=recorder)
        row = RecorderAssignment.objects.select_for_update().get(pk=recorder)
        row.revision += 1
        row.waiting_since = row.waiting_since or timezone.now()
        row.save(update_fields=["revision", "waiting_since"])
        transaction.on_commit(partial(assignment_changed.send, sender=RecorderAssignment, recorder=recorder))


def raised_above(recorder: str, theirs: int) -> None:
    """Go past the number that a recorder has, which is ahead of ours: the database was restored from a backup."""
    with transaction.atomic():
        RecorderAssignment.objects.get_or_create(recorder=recorder)
        RecorderAssignment.objects.filter(pk=recorder, revision__lte=theirs).update(
            revision=theirs + 1, waiting_since=timezone.now()
        )


def taken(recorder: str, revision: int, left_out: Mapping[str, str]) -> None:
    """Note that a recorder has taken a revision; `left_out` are cameras that could not be put to it, and why."""
    rows = RecorderAssignment.objects.filter(pk=recorder)
    rows.update(taken_revision=revision, problem="", left_out=dict(left_out))
    rows.filter(revision=revision).update(waiting_since=None)


def refused(recorder: str, why: str) -> None:
    """Note why a recorder has not taken what it is to record."""
    RecorderAssignment.objects.filter(pk=recorder).exclude(problem=why).update(problem=why)


def in_step(row: RecorderAssignment) -> bool:
    """Whether a recorder has taken all that it is to record."""
    return row.taken_revision >= row.revision and row.waiting_since is None
