"""The site's public keys while the recorder runs: a change of their file is followed, or refused aloud.

The footage directory keeps a copy of those in force. The copy is replaced first and the workers are told then, so that
a recorder which dies between the two begins with the new ones, and none goes back to those before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from overt.contract.fact import FactData, RecipientsApplied, RecipientsRefused
from overt.errors import ForbiddenError, OvertError, UnavailableError
from overt.sealing.recipients_file import encode_recipients, read_recipients, replace_recipients
from overt.sealing.roles import Recipients

_LOG: Final = logging.getLogger(__name__)


def keep_recipients(path: Path, recipients: Recipients) -> None:
    """Write the copy that the footage directory keeps, whole or not at all; one that says the same stays as it is.

    Raises:
        UnavailableError: if the disk refuses.
    """
    try:
        same = path.read_bytes() == encode_recipients(recipients)
    except OSError:
        same = False
    if not same:
        replace_recipients(path, recipients)


class SiteKeys:
    """Follows the file that names whom footage is sealed to. `follow` belongs to one thread."""

    def __init__(
        self,
        given: Path,
        kept: Path,
        seal_to: Callable[[Recipients], None],
        tell: Callable[[FactData], None],
    ) -> None:
        """Follow `given`; `kept` is the copy in force, which is there already.

        Raises:
            OvertError: as `read_recipients` does for the copy.
        """
        self._given, self._kept = given, kept
        self._seal_to, self._tell = seal_to, tell
        self._current = read_recipients(kept)
        self.trouble = ""
        """Why a change is not followed; empty: there is none that is not. Any thread may read it."""

    @property
    def current(self) -> Recipients:
        """Those in force."""
        return self._current

    def follow(self) -> bool:
        """Read the file and go over to what it says; False if it should be tried again though it does not change.

        Nothing is raised: a file that is no good is refused, with a fact and in `trouble`, and those in force stay.
        """
        try:
            recipients = read_recipients(self._given)
            if recipients.site_id != self._current.site_id:
                msg = f"{self._given}: these are the keys of another site, {recipients.site}; give those of this one"
                raise ForbiddenError(msg)
            if recipients != self._current:
                keep_recipients(self._kept, recipients)
                self._seal_to(recipients)
                self._current = recipients
                applied = said(recipients)
                _LOG.warning("footage is sealed to other public keys from now on: %s", ", ".join(applied.key_ids))
                self._tell(applied)
        except OvertError as error:
            self._refuse(str(error))
            return not isinstance(error, UnavailableError)
        self.trouble = ""
        return True

    def _refuse(self, reason: str) -> None:
        if reason == self.trouble:
            return
        self.trouble = reason
        _LOG.error("the site's public keys are not changed, footage is sealed to those before: %s", reason)
        self._tell(RecipientsRefused(tuple(each.key_id for each in self._current.recipients), reason))


def said(recipients: Recipients) -> RecipientsApplied:
    """Return the fact that says whom footage is sealed to."""
    roles = tuple(each.role for each in recipients.recipients)
    return RecipientsApplied(recipients.policy, roles, tuple(each.key_id for each in recipients.recipients))
