"""When to try a camera again, and what its failure is called: pure values and arithmetic."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from overt.clock import SECOND
from overt.contract.fact import GapCause, StreamState
from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError
from overt.media.feed import SilentError
from overt.media.link import LinkError
from overt.media.reactor import DefectError

STEADY_NS: Final = 30 * SECOND
"""A session that lasted so long ended by itself: the next failure is counted anew."""
_SOON_NS: Final = 5 * SECOND // 2
REPLY_TIMEOUTS_NS: Final = (_SOON_NS, _SOON_NS, _SOON_NS, 7 * SECOND)
"""Most attempts give up soon, so that a camera that comes back is met within 3 s; each fourth is patient, for cameras
that need seconds to start their encoder; with the longest delay it still makes less than 10 s. What worked is kept."""
OPTIONS_FIRST: Final = (True, True, False, True)
"""The third attempt leaves OPTIONS out, for servers that do not answer it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Delays between attempts: `first_ns`, then doubled up to `most_ns`, each shortened at random by up to half."""

    first_ns: int
    most_ns: int

    def delay_ns(self, failures: int, chance: random.Random) -> int:
        """Return the delay after so many failures in a row (1 for the first)."""
        whole = min(self.first_ns << min(failures - 1, 20), self.most_ns)
        return whole - chance.randrange(whole // 2 + 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error of a session means for the stream."""

    cause: GapCause
    state: StreamState
    pace: Pace


SOON: Final = Pace(SECOND // 4, 5 * SECOND // 2)
"""Nothing is lost by asking again: the network, a camera that restarts."""
PATIENT: Final = Pace(2 * SECOND, 10 * SECOND)
"""The camera answers, but not as it should."""
WARY: Final = Pace(30 * SECOND, 300 * SECOND)
"""The password was refused. Cameras lock accounts after a few attempts, so it is not shown often."""


def verdict(error: OvertError, *, played: bool) -> Verdict:
    """Return what the end of a session means; `played`: it had delivered frames."""
    if isinstance(error, DefectError):
        return Verdict("stopped", "failed", PATIENT)
    if isinstance(error, ForbiddenError):
        return Verdict("authentication", "refused", WARY)
    if isinstance(error, MissingError):
        return Verdict("camera", "refused", PATIENT)
    if isinstance(error, InvalidError):
        return Verdict("camera", "refused", PATIENT)
    if isinstance(error, SilentError):
        return Verdict("camera", "stalled", SOON)
    cause: GapCause = "camera" if played and not isinstance(error, LinkError) else "network"
    return Verdict(cause, "connecting" if played else "unreachable", SOON)
