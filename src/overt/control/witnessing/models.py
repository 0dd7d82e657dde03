"""Table of `witnessing`: how far each recorder's ledger was seen, and what was wrong with it."""

from __future__ import annotations

from typing import Final

from django.db import models

MAX_WORDS: Final = 1000
MAX_KEY: Final = 400


class WitnessedLedger(models.Model):
    """A recorder's ledger. The witness's own memory (hashes of all leaves) lies in `DATA/witness`."""

    recorder = models.CharField(primary_key=True, max_length=63)
    key = models.CharField(max_length=MAX_KEY)
    """Its public key, as it was when it was first seen, or accepted."""
    size = models.BigIntegerField(default=0)
    """Leaves that were seen and cosigned."""
    checkpoint = models.TextField(blank=True)
    """The newest checkpoint that was cosigned, with the cosignature."""
    checked_at = models.DateTimeField(null=True)
    told_size = models.BigIntegerField(default=0)
    """Leaves of the checkpoint that the control room's own ledger has last."""
    told_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)
    """Since when it does not continue what was seen; None: it does."""
    refused_words = models.CharField(max_length=MAX_WORDS, blank=True)
    refused_told = models.CharField(max_length=MAX_WORDS, blank=True)
    """What the control room's ledger has about it."""

    def __str__(self) -> str:
        """Say whose and how far."""
        return f"{self.recorder}: {self.size} leaves"
