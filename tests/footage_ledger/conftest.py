"""A store of footage, its outbox and its ledger, always closed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from footage_ledger_rig import PATIENCE_S, Kept
from footage_rig import make_footage_site


@pytest.fixture(name="kept")
def _kept(tmp_path: Path) -> Iterator[Kept]:
    kept = Kept(make_footage_site(tmp_path / "footage"))
    yield kept
    for each in kept.ledgers:
        each.stop(PATIENCE_S)
    kept.site.close()
    kept.outbox.close()
