"""Which request keeps a session alive (RFC 2326 §10.8, §12.37): servers differ in what they accept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

SHORTEST_INTERVAL_S: Final = 5.0
LONGEST_INTERVAL_S: Final = 30.0


def keepalive_interval_s(timeout_s: int) -> float:
    """Return the seconds between keepalives: 0.45 of the timeout, within 5 to 30; always less than half of it."""
    below_half = 0.45 * timeout_s
    return below_half if below_half < SHORTEST_INTERVAL_S else min(below_half, LONGEST_INTERVAL_S)


class KeepaliveForms:
    """The methods to try, in order; a refused one gives way to the next and the last is kept."""

    __slots__ = ("_forms", "_index", "refused")

    def __init__(self, public: AbstractSet[str]) -> None:
        """Order the methods by what the server listed in `Public`; an empty set says that it listed nothing."""
        if not public or "GET_PARAMETER" in public:
            forms = ["GET_PARAMETER", "OPTIONS", "SET_PARAMETER"]
        elif "SET_PARAMETER" in public:
            forms = ["OPTIONS", "SET_PARAMETER", "GET_PARAMETER"]
        else:
            forms = ["OPTIONS", "GET_PARAMETER", "SET_PARAMETER"]
        self._forms = tuple(forms)
        self._index = 0
        self.refused = 0
        """How many keepalives the server refused."""

    @property
    def method(self) -> str:
        """The method to use now."""
        return self._forms[self._index]

    def refuse(self) -> bool:
        """Record a refusal; return whether another form remains that should be tried at once."""
        self.refused += 1
        if self._index + 1 < len(self._forms):
            self._index += 1
            return True
        # All were refused. OPTIONS is the one that every server must know (RFC 2326 §10.1).
        self._forms, self._index = ("OPTIONS",), 0
        return False
