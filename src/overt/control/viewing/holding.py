"""The one holder of grants of this control room, and its custody of the site's key: made once, ended when it stops."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from overt.clock import SystemClock
from overt.contract.socket_client import MediaControl
from overt.control.acts.actor import SYSTEM
from overt.control.acts.kinds import Kind
from overt.control.acts.recording import record
from overt.control.configuration import ControlSettings
from overt.control.custody.handing_over import put_right
from overt.control.people.signals import rights_changed, session_ended
from overt.control.secrets import grant_key
from overt.control.viewing.custody import Custody
from overt.control.viewing.grants import Holder
from overt.errors import OvertError

_LOG: Final = logging.getLogger(__name__)


def _told() -> ControlSettings:
    found: ControlSettings = settings.CONTROL
    return found


@functools.cache
def custody() -> Custody:
    """Return the custody of the site's key."""
    return Custody(_told().data, _told().recorder_socket)


@functools.cache
def holder() -> Holder:
    """Return the holder of grants."""
    told = _told()
    return Holder(MediaControl(told.media_socket), custody(), lambda: grant_key(told.secrets), SystemClock())


def start() -> None:
    """Unlock recorded footage where a file holds the passphrase, and begin to look after grants."""
    told = _told()
    put_right()
    if told.custodian_passphrase_file is not None:
        try:
            record(Kind.KEY_UNLOCKED, by=SYSTEM, more={"how": "with the file that holds its passphrase"})
        except OvertError as error:
            _LOG.error("recorded footage stays locked, since that cannot be written down: %s", error)
        else:
            custody().unlock_from(told.custodian_passphrase_file)
    holder().start()


def stop() -> None:
    """Revoke every grant."""
    holder().stop()


def _session_ended(*, session_key: str, **_: Any) -> None:
    holder().session_ended(session_key)


def _rights_changed(*, people: Iterable[UUID], **_: Any) -> None:
    holder().rights_changed(people)


def listen() -> None:
    """Hear when somebody may do less than before."""
    session_ended.connect(_session_ended, dispatch_uid="viewing-session-ended")
    rights_changed.connect(_rights_changed, dispatch_uid="viewing-rights-changed")
