"""The recorder's public keys follow the policy in force: `DATA/recipients.json`, which the recorder reads again."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction

from overt.control.custody.policies import ROLES
from overt.control.custody.switching import policy_now, recipients_of
from overt.errors import MissingError, OvertError
from overt.sealing.custody import read_key_file
from overt.sealing.recipients_file import read_recipients, replace_recipients
from overt.sealing.roles import Recipients

KEY_FILE: Final = "custodian.key"
RECIPIENTS_FILE: Final = "recipients.json"
_LOG: Final = logging.getLogger(__name__)


def recipients_wanted(data: Path) -> Recipients:
    """Return to whom footage is to be sealed under the policy in force.

    Raises:
        MissingError: this site has no key yet.
        InvalidError, CorruptError: a key file is none.
        ConflictError: a role has no keyring.
    """
    policy = policy_now()
    key = read_key_file(data / KEY_FILE)
    return Recipients(key.site_id, key.site, recipients_of(policy) if ROLES[policy] else (key.recipient,))


def site_id() -> str:
    """Return the site's id, which keyrings name; empty while this site has no key."""
    path: Path = settings.CONTROL.data / KEY_FILE
    return str(read_key_file(path).site_id) if path.exists() else ""


def hand_over() -> None:
    """Write the recorder's public keys as the policy in force has them, at the end of the transaction that changed it.

    Raises: as `recipients_wanted`; UnavailableError: the disk refuses, and the transaction is rolled back.
    """
    data: Path = settings.CONTROL.data
    with transaction.atomic():
        replace_recipients(data / RECIPIENTS_FILE, recipients_wanted(data))


def put_right() -> None:
    """At the start: write the file anew if it is not what the policy in force says, and log that it was not."""
    data: Path = settings.CONTROL.data
    if not (data / RECIPIENTS_FILE).exists():
        return
    try:
        wanted = recipients_wanted(data)
        if read_recipients(data / RECIPIENTS_FILE) != wanted:
            _LOG.error(
                "%s did not name the keys of the custody policy “%s”: somebody changed it, or a change was cut short. "
                "It is written anew; compare the key ids on the page of health",
                data / RECIPIENTS_FILE,
                policy_now().value,
            )
            replace_recipients(data / RECIPIENTS_FILE, wanted)
    except MissingError:
        return  # A site whose key lies elsewhere: nothing can be compared.
    except OvertError as error:
        _LOG.error("the public keys that footage is sealed to cannot be compared with the policy: %s", error)
