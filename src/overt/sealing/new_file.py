"""Where `overt.new_file` stood before the ledger needed it too."""

from __future__ import annotations

from overt.new_file import read_small, replace, write_new

__all__ = ["read_small", "replace", "write_new"]
