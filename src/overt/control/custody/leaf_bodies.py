"""What leaves about security keys hold, as far as somebody who checks them needs it (docs/formats/key-requests.md).

Written by `enrolling`, `requests`, `keyrings`, `switching`, `effects` and `overt.control.viewing.looks`. Members that
are not named here are passed over.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from overt.control.configuration import LEAST_ACTS_DAYS
from overt.control.custody.policies import KeyRole, Policy


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Named(_Form):
    """A person or a key."""

    id: UUID
    name: str


class Proposed(_Form):
    """`key.proposed`, and `key.approved`."""

    who: Named
    person: Named
    """Its holder."""
    key: Named
    key_role: KeyRole
    credential: str
    recipient: str
    rp_id: str
    request: UUID | None = None
    """Of an approval: the request that a key of the other role has answered."""


class Ended(_Form):
    """`key.ended`."""

    key: Named


class Answered(_Form):
    """`key.recovery-used`, and what `look.touched` and `key.touched` share with it."""

    who: Named
    request: UUID
    text: str
    key_role: KeyRole
    cameras: list[str] = []
    reference: str = ""


class Touched(Answered):
    """`look.touched` and `key.touched`."""

    key: Named
    credential: str
    assertion: dict[str, str]


class Opened(_Form):
    """`look.opened`."""

    who: Named
    grant: str
    cameras: list[str]
    footage: dict[str, Any]
    purpose: dict[str, Any]
    reference: str = ""
    request: UUID | None = None


class PolicyChanged(_Form):
    """`custody.changed`."""

    policy: Policy
    request: UUID | None = None


class Sealed(_Form):
    """`keyring.founded` and `keyring.sealed`."""

    request: UUID
    key_role: KeyRole
    public_key: str
    new_role_key: bool
    recipients: list[str]
    recovery: str


class Drilled(_Form):
    """`keyring.drilled`."""

    request: UUID


class Removed(_Form):
    """`ledger.pruned`: details of leaves of some kinds, older than so many days, are about to be removed."""

    below: int
    """No leaf from this one on."""
    kinds: list[str]
    """How the names of these kinds begin."""
    keep_days: int = Field(ge=LEAST_ACTS_DAYS)


class Recipient(_Form):
    """A security key to which a keyring is sealed, as the text of a request names it."""

    id: UUID
    recipient: str


class Asked(_Form):
    """The text of a request. What a kind of request has not is empty."""

    id: UUID
    kind: str
    person: Named
    roles: list[KeyRole]
    grant: str = ""
    cameras: list[str] = []
    footage: dict[str, Any] = {}
    purpose: dict[str, Any] = {}
    reference: str = ""
    key: Recipient | None = None
    role: str = ""
    keys: list[Recipient] = []
    recovery: str = ""
    new_public_key: str = ""
    policy: str = ""
    before: str = ""
