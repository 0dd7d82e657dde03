"""The recovery on paper in place of a security key: for the day when no key is at hand.

Whoever has it shows that by opening a random number that was sealed to it; then it counts as the touch of a key would,
and is written down under a kind of its own, which the page of health shows for a week.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from uuid import UUID

from overt.control.custody.keyrings import keyring_of
from overt.control.custody.policies import ROLE_WORDS, KeyRole
from overt.control.custody.requests import Material, consent_with_recovery, request_of, turn_of, why_not
from overt.control.people.actions import Action
from overt.control.people.models import Person
from overt.control.people.rights import Rights, require
from overt.errors import ConflictError, ForbiddenError
from overt.sealing.keyring import seal_to

NUMBER_SIZE: Final = 32
LASTS_S: Final = 600.0
MOST: Final = 256
"""Numbers that wait to be opened."""


class BreakingGlass:
    """Random numbers that wait to be opened. Any thread may call."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._numbers: OrderedDict[tuple[UUID, UUID], tuple[bytes, float]] = OrderedDict()

    def begin(self, request_id: UUID, person: Person, rights: Rights) -> tuple[KeyRole, str]:
        """Return the role whose recovery is asked for, and a number sealed to it.

        Raises:
            ForbiddenError: they do not keep keys, or the request is over.
            ConflictError: the role has no recovery.
            MissingError: there is no such request.
        """
        require(rights, Action.KEEP_KEYS)
        request = request_of(request_id)
        role = turn_of(request)
        if role is None:
            raise ForbiddenError(why_not(request, person))
        keyring = keyring_of(role)
        if keyring is None:
            raise ConflictError(f"“{ROLE_WORDS[role]}” has no keyring, and so no recovery on paper.")
        number = secrets.token_bytes(NUMBER_SIZE)
        with self._lock:
            self._numbers[(request_id, person.pk)] = (number, self._monotonic())
            while len(self._numbers) > MOST:
                self._numbers.popitem(last=False)
        return role, seal_to(number, keyring.recovery)

    def shown(self, request_id: UUID, person: Person, rights: Rights, number: bytes) -> Material:
        """Take the opened number; return what the role's layer is to be opened of.

        Raises:
            ForbiddenError: it is another number, or too old: each is good for one try.
        """
        require(rights, Action.KEEP_KEYS)
        with self._lock:
            found = self._numbers.pop((request_id, person.pk), None)
        if found is None or self._monotonic() - found[1] > LASTS_S or not hmac.compare_digest(found[0], number):
            raise ForbiddenError("This is not the recovery of this role: look at what is written on the paper.")
        return consent_with_recovery(request_id, person)


GLASS: Final = BreakingGlass()
"""Of this control room."""
