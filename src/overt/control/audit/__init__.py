"""Readings of the ledger for people: who looked at what, who did what, what changed, each with its proof."""
