"""Who may call the pages and operations of people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.utils import timezone

from matrix import FORM, MANAGERS, POST, Row, World
from overt.control.people.actions import Action
from overt.control.people.links import invitation
from overt.control.people.managing import remove_person
from overt.control.people.models import Person
from overt.control.people.rights import Rights
from overt.control.people.tokens import make_token


def of_person(world: World, caller: Person | None) -> dict[str, Any]:
    return {"person": world.person.pk}


def of_removed(world: World, caller: Person | None) -> dict[str, Any]:
    remove_person(Rights(frozenset(Action)), world.person.pk)
    return {"person": world.person.pk}


def of_appointment(world: World, caller: Person | None) -> dict[str, Any]:
    return {"person": world.person.pk, "appointment": world.appointment.pk}


def of_role(world: World, caller: Person | None) -> dict[str, Any]:
    return {"role": world.unheld.pk}


def of_group(world: World, caller: Person | None) -> dict[str, Any]:
    return {"group": world.empty_group.pk}


def own_session(world: World, caller: Person | None) -> dict[str, Any]:
    row = UserSession.objects.create(user=caller or world.person, ip="127.0.0.1", session_key="x" * 32, user_agent="-")
    return {"session": row.pk}


def own_token(world: World, caller: Person | None) -> dict[str, Any]:
    end = timezone.now() + timedelta(days=1)
    return {"token": make_token(caller or world.person, "a program", ["live"], end)[0].pk}


def own_passkey(world: World, caller: Person | None) -> dict[str, Any]:
    kind = Authenticator.Type.WEBAUTHN
    return {"pk": Authenticator.objects.create(user=caller or world.person, type=kind, data={"name": "Laptop"}).pk}


def with_app(world: World, caller: Person | None) -> dict[str, Any]:
    TOTP.activate(caller or world.person, generate_totp_secret())
    return {}


def with_codes(world: World, caller: Person | None) -> dict[str, Any]:
    RecoveryCodes.activate(caller or world.person)
    return {}


def invited(world: World, caller: Person | None) -> dict[str, Any]:
    return {"token": invitation(world.person).path.rpartition("/")[2]}


ROWS = {
    "first": Row(),
    "account_login": Row(anybody=True, methods=FORM),
    "account_logout": Row(anybody=True, methods=FORM),
    "account_inactive": Row(anybody=True),
    "mfa_login_webauthn": Row(anybody=True, methods=FORM),
    "mfa_authenticate": Row(anybody=True, methods=FORM),
    "openid_connect_login": Row(anybody=True, methods=FORM, gone=True),
    "openid_connect_callback": Row(anybody=True, gone=True),
    "account_reauthenticate": Row(methods=FORM),
    "mfa_reauthenticate": Row(methods=FORM, arguments=with_app),
    "mfa_reauthenticate_webauthn": Row(methods=FORM),
    "account_change_password": Row(methods=FORM),
    "account_set_password": Row(),
    "mfa_index": Row(),
    "mfa_add_webauthn": Row(methods=FORM),
    "mfa_remove_webauthn": Row(methods=FORM, arguments=own_passkey),
    "mfa_activate_totp": Row(methods=FORM),
    "mfa_deactivate_totp": Row(methods=FORM, arguments=with_app),
    "mfa_view_recovery_codes": Row(arguments=with_codes),
    "mfa_generate_recovery_codes": Row(methods=FORM, arguments=with_app),
    "people:account": Row(),
    "people:end-session": Row(methods=POST, arguments=own_session),
    "people:end-other-sessions": Row(methods=POST),
    "people:add-token": Row(methods=FORM),
    "people:end-token": Row(methods=POST, arguments=own_token),
    "people:setup": Row(anybody=True, methods=FORM, arguments=lambda *_: {"token": "none"}, gone=True),
    "people:invitation": Row(anybody=True, methods=FORM, arguments=invited),
    "people:people": Row(MANAGERS),
    "people:add-person": Row(MANAGERS, methods=FORM),
    "people:person": Row(MANAGERS, of_person, local=True),
    "people:change-person": Row(MANAGERS, of_person, FORM, local=True),
    "people:appoint": Row(MANAGERS, of_person, POST, local=True),
    "people:withdraw": Row(MANAGERS, of_appointment, POST, local=True),
    "people:remove-person": Row(MANAGERS, of_person, FORM, local=True),
    "people:restore-person": Row(MANAGERS, of_removed, POST, local=True),
    "people:invite-person": Row(MANAGERS, of_person, POST, local=True),
    "people:forget-second-factor": Row(MANAGERS, of_person, POST, local=True),
    "people:roles": Row(MANAGERS),
    "people:add-role": Row(MANAGERS, methods=FORM, local=True),
    "people:role": Row(MANAGERS, of_role, FORM, local=True),
    "people:delete-role": Row(MANAGERS, of_role, POST, local=True),
    "people:groups": Row(MANAGERS),
    "people:add-group": Row(MANAGERS, methods=FORM, local=True),
    "people:group": Row(MANAGERS, of_group, FORM, local=True),
    "people:delete-group": Row(MANAGERS, of_group, POST, local=True),
    "GET /api/v1/openapi.json": Row(anybody=True),
    "GET /api/v1/": Row(anybody=True, gone=True),
    "GET /api/v1/me": Row(),
    "GET /api/v1/tokens": Row(),
    "DELETE /api/v1/tokens/<token>": Row(arguments=own_token),
    "GET /api/v1/people": Row(MANAGERS),
    "POST /api/v1/people": Row(MANAGERS),
    "GET /api/v1/people/<person>": Row(MANAGERS, of_person, local=True),
    "PUT /api/v1/people/<person>": Row(
        MANAGERS, of_person, local=True, body={"name": "A", "employer": "council", "expires_at": None, "version": 0}
    ),
    "DELETE /api/v1/people/<person>": Row(MANAGERS, of_person, local=True),
    "POST /api/v1/people/<person>/restore": Row(MANAGERS, of_removed, local=True),
    "POST /api/v1/people/<person>/invitation": Row(MANAGERS, of_person, local=True),
    "DELETE /api/v1/people/<person>/second-step": Row(MANAGERS, of_person, local=True),
    "POST /api/v1/people/<person>/appointments": Row(MANAGERS, of_person, local=True, body={"role": 1}),
    "DELETE /api/v1/people/<person>/appointments/<appointment>": Row(MANAGERS, of_appointment, local=True),
    "GET /api/v1/roles": Row(MANAGERS),
    "POST /api/v1/roles": Row(MANAGERS, local=True, body={"name": "New", "actions": ["live"]}),
    "PUT /api/v1/roles/<role>": Row(
        MANAGERS, of_role, local=True, body={"name": "New", "actions": ["live"], "version": 0}
    ),
    "DELETE /api/v1/roles/<role>": Row(MANAGERS, of_role, local=True),
    "GET /api/v1/groups": Row(MANAGERS),
    "POST /api/v1/groups": Row(MANAGERS, local=True, body={"name": "New"}),
    "PUT /api/v1/groups/<group>": Row(MANAGERS, of_group, local=True, body={"name": "New", "version": 0}),
    "DELETE /api/v1/groups/<group>": Row(MANAGERS, of_group, local=True),
}
