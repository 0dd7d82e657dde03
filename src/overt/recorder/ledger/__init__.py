"""The recorder's own ledger: a leaf for each segment, gap, deletion, start and stop (docs/decisions/0013)."""
