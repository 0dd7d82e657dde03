"""Attacks on sign-in, sessions and rights; one named test each."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import make_password
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from control_rig import PASSWORD, browser, camera_at, person_with, signed_in, site_in
from overt.control.people.actions import Action
from overt.control.people.models import ApiToken, Person, Role, SiteGroup
from overt.control.people.setting_up import make_person, make_starting_roles
from overt.control.people.tokens import make_token

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}{% raw %}"


@pytest.fixture(autouse=True)
def _no_limits_of_before() -> None:
    cache.clear()


def enter(client: Client, email: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/sign-in", {"login": email, "password": password, **more})


def text(answer: Any) -> str:
    found: str = answer.content.decode()
    return found


def test_session_fixation_the_key_changes_at_sign_in() -> None:
    person, client = person_with(), browser()
    client.get("/sign-in/passkey", headers={"accept": "application/json"})  # begins a session
    planted = client.session.session_key
    assert client.cookies["overt_session"].value == planted
    enter(client, person.email)
    assert client.session.session_key != planted
    victim = browser()
    victim.cookies["overt_session"] = planted
    assert victim.get("/account").status_code == 302


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "https://testserver@evil.example",
        "https://localhost:1/",
        "\thttps://evil.example",
        "https://evil.example\\@testserver",
    ],
)
def test_open_redirect_next_leads_only_here(target: str) -> None:
    client = browser()
    page = text(client.get("/sign-in", {"next": target}))
    assert not re.search(r"(?:href|src|action|content)=.[^\"']*evil", page)
    answer = enter(client, person_with().email, next=target)
    assert answer["location"] == "/"


def test_open_redirect_next_of_this_system_is_followed() -> None:
    answer = enter(browser(), person_with().email, next="/cameras?site=1")
    assert answer["location"] == "/cameras?site=1"


def test_csrf_the_api_needs_the_token_of_a_page_for_a_session() -> None:
    person = person_with(*Action)
    strict = browser(enforce_csrf_checks=True)
    strict.cookies = signed_in(person).cookies
    answer = strict.post("/api/v1/groups", {"name": "Harbour"}, content_type="application/json")
    assert answer.status_code == 403
    assert answer.json()["error"]["kind"] == "forbidden"
    assert not SiteGroup.objects.exists()
    strict.get("/account")
    token = strict.cookies["overt_csrf"].value
    headers = {"x-csrftoken": token, "referer": "https://testserver/people"}
    answer = strict.post("/api/v1/groups", {"name": "Harbour"}, content_type="application/json", headers=headers)
    assert answer.status_code == 201


def test_csrf_a_foreign_origin_with_the_cookie_is_refused() -> None:
    person = person_with(*Action)
    strict = browser(enforce_csrf_checks=True)
    strict.cookies = signed_in(person).cookies
    strict.get("/account")
    token = strict.cookies["overt_csrf"].value
    form = {"name": "Harbour", "csrfmiddlewaretoken": token}
    answer = strict.post("/people/groups/add", form, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["/sign-in", "/account", "/people", "/nothing-here", "/api/v1/me", "/api/v1/openapi.json"]
)
def test_clickjacking_no_page_can_be_framed(path: str) -> None:
    answer = signed_in(person_with(*Action)).get(path)
    assert answer["x-frame-options"] == "DENY"
    policy = answer["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in [each.strip() for each in policy.split(";")]
    assert "unsafe" not in policy
    assert answer["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver@evil.example", "testserver:x"])
def test_host_header_injection_is_refused(host: str) -> None:
    answer = browser().get("/sign-in", headers={"host": host})
    assert answer.status_code == 400
    assert "evil" not in text(answer)


def test_host_header_injection_an_invitation_names_the_configured_host() -> None:
    manager = person_with(*Action)
    role = Role.objects.get()
    form = {"name": "A", "email": "a@northshire.example", "employer": "council", "role": role.pk, "group": ""}
    answer = signed_in(manager).post(
        "/people/add", form, headers={"host": "localhost", "x-forwarded-host": "evil.example"}
    )
    assert "https://testserver:8443/invitation/" in text(answer)
    assert "evil.example" not in text(answer)


@pytest.mark.parametrize("name", ["A\r\nBcc: all@evil.example", "A\nB", "A\x00B", "A\u202eB", "A\u2028B"])
def test_header_injection_names_have_one_line(name: str) -> None:
    manager = person_with(*Action)
    client = signed_in(manager)
    role = Role.objects.get()
    form = {"name": name, "email": "a@northshire.example", "employer": "council", "role": role.pk, "group": ""}
    assert client.post("/people/add", form).status_code == 422
    assert client.post("/people/groups/add", {"name": name}).status_code == 422
    assert client.post("/people/roles/add", {"name": name, "actions": ["live"]}).status_code == 422
    answer = client.post("/api/v1/groups", {"name": name}, content_type="application/json")
    assert answer.status_code == 400
    assert Person.objects.count() == 1


@pytest.mark.parametrize("email", ["a@northshire.example\nBcc: b@evil.example", "a@b@c", "<script>@x.example"])
def test_header_injection_addresses_are_addresses(email: str) -> None:
    manager = person_with(*Action)
    form = {"name": "A", "email": email, "employer": "council", "role": Role.objects.get().pk, "group": ""}
    assert signed_in(manager).post("/people/add", form).status_code == 422


def test_xss_names_of_people_roles_groups_and_tokens_are_text() -> None:
    group = SiteGroup.objects.create(name=HOSTILE)
    role = Role.objects.create(name=HOSTILE, actions=[each.value for each in Action])
    person = make_person("robin@northshire.example", HOSTILE, PASSWORD, [HOSTILE])
    other = make_person("other@northshire.example", HOSTILE, PASSWORD, [HOSTILE], group=group)
    make_token(person, HOSTILE, ["live"], timezone.now() + timedelta(days=1))
    client = signed_in(person)
    client.get("/account")
    for path in (
        "/account",
        "/people",
        f"/people/{other.pk}",
        f"/people/{other.pk}/change",
        f"/people/{other.pk}/remove",
        "/people/add",
        "/people/roles",
        f"/people/roles/{role.pk}",
        "/people/groups",
        f"/people/groups/{group.pk}",
        "/account/password",
        "/account/app/add",
        f"/people?q={HOSTILE}",
    ):
        page = text(client.get(path))
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
        assert "49" not in re.findall(r"onerror=alert\(1\)&gt;(.{0,12})", page), path
    page = text(client.post(f"/people/{other.pk}/invite"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    page = text(client.post(f"/people/{other.pk}/appoint", {"role": role.pk, "group": ""}, follow=True))
    assert "<script>alert" not in page


def test_xss_a_browser_that_calls_itself_a_script_is_text() -> None:
    client = browser(headers={"user-agent": HOSTILE})
    client.force_login(person_with())
    session = client.session
    session["overt_second_factor"] = True
    session.save()
    page = text(client.get("/account"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_xss_the_key_of_a_passkey_form_is_escaped_in_its_attribute() -> None:
    person = make_person("robin@northshire.example", '"><script>alert(1)</script>', PASSWORD)
    page = text(signed_in(person).get("/account/passkeys/add"))
    assert "<script>alert" not in page


def two_groups() -> tuple[Client, Person, Person, SiteGroup, SiteGroup]:
    """A manager of one group, somebody there, and somebody at another group."""
    here, there = (SiteGroup.objects.create(name=name) for name in ("Town centre", "Harbour"))
    manager = person_with(Action.MANAGE_PEOPLE, Action.LIVE, group=here)
    near = person_with(Action.LIVE, group=here, name="Near One")
    far = person_with(Action.LIVE, group=there, name="Far One")
    person_with(*Action, name="Head Of")
    return signed_in(manager), near, far, here, there


def test_idor_a_manager_of_one_group_sees_nobody_of_another() -> None:
    client, near, far, _, there = two_groups()
    page = text(client.get("/people"))
    assert [name for name in ("Near One", "Far One", "Head Of") if f">{name}</a>" in page] == ["Near One"]
    assert "Harbour" not in text(client.get("/people/groups"))
    assert "Harbour" not in text(client.get("/people/add"))
    assert client.get(f"/people/{near.pk}").status_code == 200
    appointment = far.appointments.get().pk
    role = near.appointments.get().role_id
    for path, form in {
        f"/people/{far.pk}": None,
        f"/people/{far.pk}/change": {"name": "X", "employer": "council", "last_day": "", "version": 0},
        f"/people/{far.pk}/remove": {},
        f"/people/{far.pk}/invite": {},
        f"/people/{far.pk}/forget-second-step": {},
        f"/people/{far.pk}/roles/{appointment}/end": {},
        f"/people/{near.pk}/roles/{appointment}/end": {},
        f"/people/{far.pk}/appoint": {"role": role, "group": there.pk},
    }.items():
        answer = client.get(path) if form is None else client.post(path, form)
        assert answer.status_code == 404, path
        assert "Far One" not in text(answer)
    assert client.get(f"/api/v1/people/{far.pk}").status_code == 404
    assert {each["name"] for each in client.get("/api/v1/people").json()["items"]} == {"Robin Field", "Near One"}
    far.refresh_from_db()
    assert far.is_active
    assert far.appointments.count() == 1


def test_idor_roles_that_somebody_has_elsewhere_are_not_shown() -> None:
    client, near, _, _, there = two_groups()
    make_starting_roles()
    near.appointments.create(role=Role.objects.get(name="Auditor"), group=there)
    page = text(client.get(f"/people/{near.pk}"))
    assert "Auditor" not in page
    assert "Harbour" not in page
    assert "they have roles where you do not manage people" in page
    shown = client.get(f"/api/v1/people/{near.pk}").json()["appointments"]
    assert [each["group_name"] for each in shown] == ["Town centre"]


def test_privilege_escalation_nobody_gives_what_they_do_not_have() -> None:
    client, near, _, here, there = two_groups()
    make_starting_roles()
    operator, manager = (Role.objects.get(name=name).pk for name in ("Operator", "CCTV manager"))
    own = Role.objects.get(name="Robin Field's role").pk
    me = Person.objects.get(name="Robin Field")
    for person in (near, me):
        for role, group in ((manager, here.pk), (operator, here.pk), (own, ""), (own, there.pk)):
            assert client.post(f"/people/{person.pk}/appoint", {"role": role, "group": group}).status_code == 422
            answer = client.post(
                f"/api/v1/people/{person.pk}/appointments",
                {"role": role, "group": group or None},
                content_type="application/json",
            )
            assert answer.status_code in {403, 404}
    assert client.post(f"/people/{near.pk}/appoint", {"role": own, "group": here.pk}).status_code == 302
    assert near.appointments.count() == 2


def test_privilege_escalation_nobody_takes_over_an_account_that_may_more() -> None:
    client, near, _, here, _ = two_groups()
    near.appointments.create(role=Role.objects.create(name="Redactor", actions=["redact"]), group=here)
    for path in ("invite", "forget-second-step", "remove", "change"):
        assert client.post(f"/people/{near.pk}/{path}").status_code == 403, path
    assert client.post(f"/api/v1/people/{near.pk}/invitation").status_code == 403


def test_privilege_escalation_roles_are_changed_by_who_manages_people_everywhere() -> None:
    client, *_ = two_groups()
    role = Role.objects.get(name="Robin Field's role")
    form = {"name": "Mine", "actions": [each.value for each in Action], "version": 0}
    assert client.post(f"/people/roles/{role.pk}", form).status_code == 403
    assert client.post("/people/roles/add", form).status_code == 403
    assert client.put(f"/api/v1/roles/{role.pk}", form, content_type="application/json").status_code == 403
    role.refresh_from_db()
    assert len(role.actions) == 2


def test_mass_assignment_fields_that_a_form_does_not_have_change_nothing() -> None:
    manager = person_with(*Action)
    person = person_with(name="Alex Marsh")
    client = signed_in(manager)
    extra = {
        "email": "evil@evil.example",
        "password": "x",
        "is_active": "",
        "id": str(manager.pk),
        "last_login": "2020-01-01",
    }
    form = {"name": "Alex M", "employer": "council", "last_day": "", "version": person.version, **extra}
    assert client.post(f"/people/{person.pk}/change", form).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.email, person.is_active) == ("Alex M", "alex.marsh@northshire.example", True)
    assert person.check_password(PASSWORD)
    body = {"name": "Alex", "employer": "council", "expires_at": None, "version": person.version}
    for field in extra:
        answer = client.put(f"/api/v1/people/{person.pk}", {**body, field: "x"}, content_type="application/json")
        assert answer.status_code == 400, field
    own = client.post("/account/password", {"oldpassword": PASSWORD, "name": "Evil", "is_active": ""})
    assert own.status_code == 200
    assert not Person.objects.filter(name="Evil").exists()


def test_a_token_of_another_cannot_be_ended() -> None:
    victim = person_with(name="Alex Marsh")
    token, _ = make_token(victim, "export", ["live"], timezone.now() + timedelta(days=1))
    client = signed_in(person_with(*Action))
    assert client.post(f"/account/tokens/{token.pk}/end").status_code == 404
    assert client.delete(f"/api/v1/tokens/{token.pk}").status_code == 404
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_an_expired_token_opens_nothing() -> None:
    token, secret = make_token(person_with(Action.LIVE), "export", ["live"], timezone.now() + timedelta(days=1))
    headers = {"authorization": f"Bearer {secret}"}
    assert browser().get("/api/v1/me", headers=headers).status_code == 200
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser().get("/api/v1/me", headers=headers).status_code == 401


def test_brute_force_one_account_is_locked_for_minutes_from_everywhere() -> None:
    person = person_with()
    for number in range(5):
        answer = enter(browser(), person.email, "wrong")
        assert "is wrong" in text(answer), number
    answer = enter(browser(REMOTE_ADDR="192.0.2.7"), person.email)
    assert "Wait 5 minutes" in text(answer)
    assert "_auth_user_id" not in browser().session


def test_brute_force_one_address_cannot_try_many_accounts() -> None:
    for number in range(20):
        enter(browser(), f"person{number}@northshire.example", "wrong")
    answer = enter(browser(), person_with().email)
    assert "Wait 5 minutes" in text(answer)
    assert enter(browser(REMOTE_ADDR="192.0.2.7"), Person.objects.get().email).status_code == 302


def test_brute_force_too_many_requests_say_how_long_to_wait() -> None:
    for _ in range(60):
        browser().post("/sign-in", {})
    answer = browser().post("/sign-in", {})
    assert answer.status_code == 429
    assert answer["retry-after"] == "60"
    assert "Wait a minute" in text(answer)


def test_brute_force_codes_of_the_second_factor_are_limited() -> None:
    person, client = person_with(), browser()
    TOTP.activate(person, generate_totp_secret())
    enter(client, person.email)
    said = [text(client.post("/sign-in/second-step", {"code": f"{number:06}"})) for number in range(6)]
    assert "not right" in said[4]
    assert "Wait 5 minutes" in said[5]


def test_user_enumeration_the_answer_is_the_same_for_who_is_unknown() -> None:
    known = person_with().email

    def said(email: str) -> str:
        page = text(enter(browser(), email, "wrong password"))
        return re.sub(r'(csrfmiddlewaretoken" value=")[^"]+', r"\1", page).replace(email, "")

    assert said(known) == said("nobody@northshire.example")
    for _ in range(5):
        assert said(known) == said("nobody@northshire.example")


def test_user_enumeration_a_password_is_hashed_for_who_is_unknown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def note(password: str, *arguments: Any, **named: Any) -> str:
        hashed.append(password)
        return make_password(password, *arguments, **named)

    monkeypatch.setattr("django.contrib.auth.base_user.make_password", note)
    enter(browser(), "nobody@northshire.example", "some password")
    assert "some password" in hashed


def test_a_forged_session_cookie_opens_nothing() -> None:
    client = browser()
    client.cookies["overt_session"] = "a" * 32
    assert client.get("/account").status_code == 302


def test_cookies_are_for_https_for_this_site_and_out_of_reach_of_scripts() -> None:
    client = browser()
    enter(client, person_with().email)
    session, csrf = client.cookies["overt_session"], client.cookies["overt_csrf"]
    for cookie in (session, csrf):
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
    assert not session["max-age"], "it ends with the browser"


def test_signing_out_is_no_link() -> None:
    client = signed_in(person_with())
    assert client.get("/sign-out").status_code == 200
    assert client.get("/account").status_code == 200


def test_a_step_of_sign_in_cannot_be_skipped_by_its_address() -> None:
    person, client = person_with(Action.LIVE), browser()
    TOTP.activate(person, generate_totp_secret())
    enter(client, person.email)
    for path in ("/cameras", "/account", "/account/second-step", "/account/app/add", "/api/v1/me"):
        assert client.get(path).status_code in {302, 401}, path


def test_the_camera_of_another_group_is_not_there_for_who_has_rights_elsewhere() -> None:
    camera = camera_at(site_in("Town centre"))
    there = SiteGroup.objects.create(name="Harbour")
    client = signed_in(person_with(*Action, group=there))
    assert client.get(f"/cameras/{camera.pk}").status_code == 404
