"""Who may call the pages about keys in hand."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from django.utils import timezone
from fido2.utils import websafe_encode

from matrix import FORM, LEDGER_READERS, LOOKERS_BACK, POST, Row, World
from overt.control.custody import requests
from overt.control.custody.models import SecurityKey
from overt.control.custody.policies import KeyRole
from overt.control.people.models import Person

KEEPERS = frozenset({"CCTV manager", "Data protection officer"})
TOUCHERS = LOOKERS_BACK | KEEPERS
RECIPIENT = "age1" + "q" * 58


def of_key(world: World, caller: Person | None) -> dict[str, Any]:
    """Somebody else's key, which waits for approval."""
    name = websafe_encode(os.urandom(32))
    made = SecurityKey.objects.create(
        role="viewer",
        holder=world.person,
        label="Blue",
        credential_id=name,
        credential="AA",
        rp_id="testserver",
        recipient=RECIPIENT,
        proposed=timezone.now(),
    )
    return {"key": made.pk}


def of_request(world: World, caller: Person | None) -> dict[str, Any]:
    return {"request_id": requests.ask("drill", world.person, [KeyRole.VIEWER], {}).pk}


def no_request(world: World, caller: Person | None) -> dict[str, Any]:
    return {"request_id": uuid4()}


def viewer(world: World, caller: Person | None) -> dict[str, Any]:
    return {"role": "viewer"}


ROWS = {
    "custody:keys": Row(TOUCHERS | LEDGER_READERS),
    "custody:waiting": Row(TOUCHERS | LEDGER_READERS),
    "custody:register": Row(TOUCHERS),
    "custody:key-options": Row(TOUCHERS, methods=POST),
    "custody:new-key": Row(TOUCHERS, methods=POST),
    "custody:approve": Row(KEEPERS, of_key, POST, local=True),
    "custody:ask-approval": Row(KEEPERS, of_key, POST, local=True),
    "custody:end-key": Row(KEEPERS, of_key, FORM, local=True),
    "custody:seal": Row(TOUCHERS, methods=POST),
    "custody:keyring": Row(TOUCHERS, viewer),
    "custody:ask-to-seal": Row(TOUCHERS, viewer, POST),
    "custody:policy": Row(KEEPERS, methods=FORM, local=True),
    "custody:ask-to-switch": Row(KEEPERS, methods=POST),
    "custody:request": Row(TOUCHERS, of_request),
    "custody:request-state": Row(TOUCHERS, of_request),
    "custody:consent": Row(TOUCHERS, of_request, POST),
    "custody:begin-recovery": Row(KEEPERS, of_request, POST, local=True),
    "custody:recover": Row(KEEPERS, of_request, POST),
    "custody:bring": Row(TOUCHERS, no_request, POST, gone=True),
    "custody:refuse": Row(TOUCHERS, no_request, POST, gone=True),
}
