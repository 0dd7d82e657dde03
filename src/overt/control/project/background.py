"""What runs beside the pages: each part has a thread of its own, begun with the server and ended with it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from overt.control.acts import keeping
from overt.control.estate import assigning
from overt.control.health import reading, sending
from overt.control.people import closing
from overt.control.people.links import nobody_yet, setup_link
from overt.control.project.reporting import tell
from overt.control.viewing import holding, purposes
from overt.control.viewing.holding import custody
from overt.control.witnessing import witness

Part = tuple[str, Callable[[], None], Callable[[], None]]
"""Name, start, stop."""


def announce_setup() -> None:
    """Where there is no account yet, tell whoever started us the link by which the first is made."""
    if nobody_yet():
        link = setup_link()
        tell(setup_path=link.path, expires=link.expires_at.isoformat())


PARTS: Final[tuple[Part, ...]] = (
    ("ledger", keeping.start, keeping.stop),
    ("purposes", purposes.begin, lambda: None),
    ("set-up", announce_setup, lambda: None),
    ("sessions", closing.start, closing.stop),
    ("assignments", assigning.start, assigning.stop),
    ("grants", holding.start, holding.stop),
    ("facts", lambda: reading.start(keys=custody), reading.stop),
    ("alerts", sending.start, sending.stop),
    ("recorder's ledger", witness.start, witness.stop),
)
"""In the order in which they begin; they end the other way round."""
_LOG: Final = logging.getLogger(__name__)
_begun: Final[list[Part]] = []


def start() -> None:
    """Begin every part; if one cannot, those that have begun end, and its error is the caller's."""
    try:
        for part in PARTS:
            part[1]()
            _begun.append(part)
    except BaseException:
        stop()
        raise


def stop() -> None:
    """End what has begun. One that fails to end keeps no other from it."""
    while _begun:
        name, _, end = _begun.pop()
        try:
            end()
        except Exception:  # noqa: BLE001 - the others have to end all the same
            _LOG.exception("%s did not end as it should", name)
