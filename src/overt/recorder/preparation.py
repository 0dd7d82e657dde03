"""Before the first fragment: see to it that there is a footage store, its further locations, and somebody's keys.

The footage directory keeps a copy of the site's public keys, so that `recipients` is needed only when it is new, or
when the site's keys change.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from overt.errors import ForbiddenError, InvalidError, MissingError, OvertError, UnavailableError
from overt.footage.index import Index
from overt.footage.layout import INDEX, MARKER
from overt.footage.marker import Marker, create_location, read_marker
from overt.recorder.configuration import RECIPIENTS_FILE, RecorderSettings
from overt.recorder.site_keys import keep_recipients
from overt.sealing.recipients_file import read_recipients
from overt.sealing.roles import Recipients

_LOG: Final = logging.getLogger(__name__)


def prepare(settings: RecorderSettings) -> RecorderSettings:
    """Make what is missing; return the settings with `recipients` naming the keys to seal to.

    Raises:
        MissingError: if the directory is new and no public keys are given, or a known disk is not mounted there.
        ForbiddenError: if the keys given are another site's.
        OvertError: as the store refuses a directory, or the file of keys cannot be read and there is no copy of it.
    """
    kept = settings.footage / RECIPIENTS_FILE
    new = not (settings.footage / MARKER).exists()
    if settings.recipients is None and (new or not kept.exists()):
        msg = (
            f"{settings.footage} is new, and a recorder begins only with the site's public keys, to which everything "
            "is sealed. Make them with `overt keys create --site NAME --out FILE.key --recipients FILE.json`, then "
            "give --recipients FILE.json"
        )
        raise MissingError(msg)
    recipients = _recipients(settings.recipients, kept)
    marker = create_location(settings.footage, recipients.site_id) if new else read_marker(settings.footage)
    if marker.site != recipients.site_id:
        msg = (
            f"{settings.footage} belongs to another site than the keys of {recipients.site}: "
            "give that site's keys, or another directory"
        )
        raise ForbiddenError(msg)
    keep_recipients(kept, recipients)
    _further_locations(settings, marker)
    return settings.model_copy(update={"recipients": kept})


def _recipients(given: Path | None, kept: Path) -> Recipients:
    """Return whom to seal to: those given, or those of the copy where that file is not there or no good.

    A recorder that is started again must not lose footage for a file that it would refuse while it runs.
    """
    try:
        return read_recipients(given or kept)
    except (InvalidError, MissingError, UnavailableError) as error:
        if given is None or not kept.exists():
            raise
        _LOG.error("footage is sealed to the public keys from before: %s", error)
        return read_recipients(kept)


def _further_locations(settings: RecorderSettings, marker: Marker) -> None:
    """Make locations of directories that the store has never used.

    One that it has used and that has no marker now is a disk that is not mounted: the store waits for it, and nothing
    is written into the empty mount point.
    """
    known: set[Path] = set()
    if settings.locations and (settings.footage / INDEX).exists():
        with Index(settings.footage / INDEX, write=False) as index:
            known = {path.absolute() for path in index.locations().values()}
    for location in settings.locations:
        if location.absolute() not in known and not _has_marker(location):
            create_location(location, marker.site, marker.store)


def _has_marker(location: Path) -> bool:
    """True if there is a marker, be it one that the store will complain about."""
    try:
        read_marker(location)
    except MissingError:
        return False
    except OvertError:
        return True
    return True
