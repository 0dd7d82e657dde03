"""Alerts reach real receivers on loopback, are tried again, survive restarts, and go nowhere they may not."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from alert_rig import broker, mail_server, trusted, web_server
from control_rig import camera_at, site_in
from health_rig import at
from overt.control.estate.models import Camera
from overt.control.health import alerting, sending
from overt.control.health.channels import CHANNELS, Letter, channel_named
from overt.control.health.channels.channel import allowed_addresses
from overt.control.health.models import AlertRule, Condition, Incident, Message
from overt.control.health.rules import save_rule
from overt.control.people.actions import Action
from overt.control.people.rights import Rights
from overt.errors import ConflictError, ForbiddenError, InvalidError, OvertError, UnavailableError
from ports import free_port

pytestmark = pytest.mark.django_db
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
ALL = Rights(everywhere=frozenset({Action.CHANGE_CAMERAS}))


@pytest.fixture
def loopback(settings: Any) -> None:
    """Alerts may go to this machine."""
    settings.CONTROL = django_settings.CONTROL.model_copy(update={"alert_ranges": LOOPBACK})


def letter(address: str, secret: str = "", subject: str = "Market is lost") -> Letter:
    return Letter(7, subject, "It cannot be reached.\n", {"subject": subject}, address, secret)


def send(channel: str, address: str, secret: str = "", **more: Any) -> None:
    channel_named(channel).send(letter(channel_named(channel).check(address), secret, **more), LOOPBACK)


def rule(
    name: str = "Duty", address: str = "duty@northshire.example", secret: str | None = None, **fields: Any
) -> AlertRule:
    return save_rule(AlertRule(**{"name": name, "channel": "email", **fields}), ALL, address=address, secret=secret)


def lost(camera: Camera, since: float = -90, **fields: Any) -> Condition:
    values = {"kind": "camera-lost", "severity": "urgent", "title": f"{camera.name} is lost", "words": "Gone."}
    return Condition.objects.create(
        subject=f"camera:{camera.key}", camera=camera.key, since=at(since), **(values | fields)
    )


# --- channels ---------------------------------------------------------------------------------------------------------


def test_a_mail_reaches_everybody_who_is_named(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    with mail_server() as (box, settings.EMAIL_PORT):
        send("email", "a@northshire.example; b@northshire.example")
        assert box.recipients == [["a@northshire.example", "b@northshire.example"]]
        assert (box.mails[0]["subject"], box.mails[0]["auto-submitted"]) == ("Market is lost", "auto-generated")
        assert "It cannot be reached." in box.mails[0].get_content()
        box.refusing = True
        with pytest.raises(UnavailableError, match=r"did not take it.*try again later"):
            send("email", "a@northshire.example")


def test_where_no_mail_server_is_named_a_mail_does_not_count_as_sent(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    with pytest.raises(UnavailableError, match=r"\[control.mail\]"):
        send("email", "a@northshire.example")


def test_a_webhook_gets_json_that_its_secret_signs(tmp_path: Path) -> None:
    with trusted(tmp_path, "localhost") as context, web_server(context) as web:
        send("webhook", f"https://localhost:{web.port}/alerts?key=1", "a shared secret")
    post = web.posts[0]
    assert (post.path, post.json, post.headers["host"]) == (
        "/alerts?key=1",
        {"subject": "Market is lost"},
        f"localhost:{web.port}",
    )
    signed = post.headers["x-overt-timestamp"].encode() + b"." + post.body
    expected = hmac.new(b"a shared secret", signed, hashlib.sha256).hexdigest()
    assert post.headers["x-overt-signature"] == f"sha256={expected}"


def test_a_webhook_that_refuses_or_sends_elsewhere_has_not_taken_it(tmp_path: Path) -> None:
    with trusted(tmp_path, "localhost") as context, web_server(context) as web:
        web.status = 500
        with pytest.raises(UnavailableError, match="localhost answered 500"):
            send("webhook", f"https://localhost:{web.port}/")
        web.status, web.location = 302, f"https://localhost:{web.port}/elsewhere"
        with pytest.raises(UnavailableError, match="302"):
            send("webhook", f"https://localhost:{web.port}/")
    assert [post.path for post in web.posts] == ["/", "/"]


def test_a_webhook_with_a_certificate_that_is_not_trusted_gets_nothing(tmp_path: Path) -> None:
    with (
        trusted(tmp_path, "other.example") as context,
        web_server(context) as web,
        pytest.raises(UnavailableError, match="certificate"),
    ):
        send("webhook", f"https://localhost:{web.port}/")
    assert web.posts == []


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.8/",
        "https://192.168.1.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::ffff:a9fe:a9fe]/",
    ],
)
def test_a_webhook_goes_to_no_address_that_is_not_public(address: str) -> None:
    with pytest.raises(OvertError) as told:
        channel_named("webhook").send(letter(address), ())
    assert isinstance(told.value, ForbiddenError | UnavailableError | InvalidError)
    if isinstance(told.value, ForbiddenError):
        assert "alert_ranges" in str(told.value)


def test_a_name_that_has_a_forbidden_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 443)) for each in ("93.184.215.14", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(ForbiddenError, match=r"169\.254\.169\.254"):
        allowed_addresses("rebinding.example", 443, ())
    rows.pop()
    assert allowed_addresses("rebinding.example", 443, ()) == ["93.184.215.14"]


def test_a_name_that_points_elsewhere_the_second_time_gains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, asked = socket.getaddrinfo, []

    def answers(host: Any, *arguments: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return truth(host, *arguments, **named)
        asked.append(host)
        assert len(asked) == 1, "the name was looked up again"
        return truth("127.0.0.1", *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with trusted(tmp_path, "rebinding.example") as context, web_server(context) as web:
        send("webhook", f"https://rebinding.example:{web.port}/")
    assert len(web.posts) == 1


def test_a_message_is_published_on_its_topic() -> None:
    with broker("cctv/#") as (port, heard):
        send("mqtt", f"mqtt://127.0.0.1:{port}/cctv/alerts")
        assert heard.get(timeout=60) == {"subject": "Market is lost"}


def test_a_broker_that_is_not_there_or_not_allowed_is_said() -> None:
    port = free_port()
    with pytest.raises(UnavailableError, match="did not take it"):
        send("mqtt", f"mqtt://127.0.0.1:{port}/cctv")
    with pytest.raises(ForbiddenError, match="alert_ranges"):
        channel_named("mqtt").send(letter("mqtt://127.0.0.1/cctv"), ())


def test_a_service_that_apprise_knows_gets_it(tmp_path: Path) -> None:
    with trusted(tmp_path, "localhost") as context, web_server(context) as web:
        web.status = 200
        send("apprise", f"ntfys://localhost:{web.port}/cctv-alerts")
        assert b"It cannot be reached." in web.posts[0].body
        web.status = 500
        with pytest.raises(UnavailableError, match="the log of the control room"):
            send("apprise", f"ntfys://localhost:{web.port}/cctv-alerts")
    with pytest.raises(ForbiddenError):
        channel_named("apprise").send(letter("ntfys://127.0.0.1/cctv-alerts"), ())


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@b.example\nBcc: c@d.example"),
        ("email", ",".join(["a@b.example"] * 21)),
        ("webhook", "http://example.org/"),
        ("webhook", "ftp://example.org/"),
        ("webhook", "https://"),
        ("webhook", "nonsense"),
        ("webhook", "https://user:password@example.org/"),
        ("webhook", "file:///etc/passwd"),
        ("webhook", "https://a b/"),
        ("mqtt", "mqtt://broker/"),
        ("mqtt", "mqtt://broker/a/#"),
        ("mqtt", "https://broker/a"),
        ("mqtt", "mqtt://u:p@broker/a"),
        ("mqtt", "mqtt://broker:99999/a"),
        ("apprise", "json://127.0.0.1/"),
        ("apprise", "syslog://"),
        ("apprise", "ntfy://h/t"),
        ("apprise", "dbus://"),
        ("apprise", "file:///etc/passwd"),
        ("apprise", "slack://"),
        ("apprise", "nonsense"),
    ],
)
def test_an_address_that_is_none_is_refused_with_an_example(channel: str, address: str) -> None:
    with pytest.raises(InvalidError, match=r"(such as|one of|documentation)"):
        channel_named(channel).check(address)


def test_what_pages_show_of_an_address_lets_nobody_send() -> None:
    shown = {
        ("webhook", "https://hooks.example.org/T0/B0/topsecret"): "https://hooks.example.org/…",
        ("mqtt", "mqtts://operator@broker.example.org/cctv"): "mqtts://broker.example.org:8883/cctv",
        ("apprise", "slack://tokenA/tokenB/tokenC"): "slack://…",
        ("email", "duty@example.org"): "duty@example.org",
    }
    assert {channel for channel, _ in shown} == {each.name for each in CHANNELS}
    for (channel, address), expected in shown.items():
        assert channel_named(channel).shown(address) == expected
        assert address not in repr(letter(address)) or channel == "none"


# --- rules and queue --------------------------------------------------------------------------------------------------


def test_an_alert_is_said_once_and_once_more_when_it_is_over(mailoutbox: list[Any]) -> None:
    rule()
    condition = lost(camera_at(site_in()))
    for seconds in (0, 5, 10):
        alerting.speak(at(seconds))
        sending.deliver(at(seconds))
    assert [mail.subject for mail in mailoutbox] == ["Market is lost"]
    Condition.objects.filter(pk=condition.pk).update(until=at(20))
    for seconds in (30, 90, 95):
        alerting.speak(at(seconds))
        sending.deliver(at(seconds))
    assert [mail.subject for mail in mailoutbox] == ["Market is lost", "Over: Market is lost"]
    assert Incident.objects.get().over_at == at(90)


def test_a_site_whose_switch_dies_is_one_mail_and_its_return_another(mailoutbox: list[Any]) -> None:
    rule()
    site = site_in()
    for number in range(5):
        lost(camera_at(site, f"c{number}"), since=-70 - number)
    lost(camera_at(site_in("Parks", "Library"), "library"))
    alerting.speak(at(0))
    assert Message.objects.get().subject == "2 messages: 5 cameras lost at Market Hall, and more"
    assert "Library is lost" in Message.objects.get().body
    Condition.objects.filter(camera="c0").update(until=at(10))
    alerting.speak(at(75))
    assert "1 of 5 cameras back at Market Hall, 4 still lost" in Message.objects.latest("pk").subject
    Condition.objects.update(until=at(80))
    alerting.speak(at(145))
    assert "All 5 cameras back at Market Hall" in Message.objects.latest("pk").body
    assert Message.objects.count() == 3


def test_a_camera_that_flaps_is_one_incident() -> None:
    rule()
    camera = camera_at(site_in())
    lost(camera)
    alerting.speak(at(0))
    for number in range(1, 20):
        Condition.objects.filter(until=None).update(until=at(number * 20))
        lost(camera, since=number * 20 + 10)
        alerting.speak(at(number * 20 + 11))
    assert (Message.objects.count(), Incident.objects.count()) == (1, 1)
    assert Incident.objects.get().conditions.get().until is None


def test_a_flood_is_bounded_and_what_waited_is_said_together() -> None:
    rule(delay_s=0)
    cameras = [camera_at(site_in(f"G{number}", f"S{number}"), f"c{number}") for number in range(30)]
    for number, camera in enumerate(cameras):
        lost(camera, since=number * 10)
        alerting.speak(at(number * 10 + 1))
    assert Message.objects.count() == alerting.MOST_PER_HOUR
    alerting.speak(at(3700))
    last = Message.objects.latest("pk")
    assert last.subject.startswith(f"{30 - alerting.MOST_PER_HOUR} messages: ")


def test_a_rule_of_a_group_says_nothing_of_others() -> None:
    ours, theirs = site_in(), site_in("Parks", "Library")
    rule(group=ours.group)
    lost(camera_at(theirs, "library"))
    Condition.objects.create(
        kind="disk-full", subject="disk:/d", severity="urgent", title="Disk", words="", since=at(-99)
    )
    assert alerting.speak(at(0)) == 0
    lost(camera_at(ours, "market"))
    assert alerting.speak(at(0)) == 1
    assert "library" not in Message.objects.get().body.lower()


def test_a_message_that_does_not_arrive_is_tried_again_ever_later_for_a_day(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    lost(camera_at(site_in()))
    rule()
    alerting.speak(at(0))
    moment, waits = at(0), []
    while (message := Message.objects.get()).next_at is not None:
        moment = max(moment, message.next_at)
        assert sending.deliver(moment) == 0
        after = Message.objects.get()
        assert "no mail server is named" in after.failure
        if after.next_at is not None:
            waits.append((after.next_at - moment).total_seconds())
    assert waits[:5] == [60, 300, 900, 3600, 3600]
    assert dt.timedelta(hours=22) < moment - at(0) < dt.timedelta(days=1)


def test_a_message_that_waits_arrives_after_a_restart(settings: Any, mailoutbox: list[Any]) -> None:
    lost(camera_at(site_in()))
    rule()
    alerting.speak(at(0))
    locmem, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "django.core.mail.backends.dummy.EmailBackend"
    assert sending.deliver(at(0)) == 0
    settings.EMAIL_BACKEND = locmem
    assert alerting.speak(at(61)) == 0
    assert (sending.deliver(at(59)), sending.deliver(at(61)), sending.deliver(at(62))) == (0, 1, 0)
    assert len(mailoutbox) == 1
    assert Message.objects.get().failure == ""


def test_of_two_that_send_one_message_only_one_does(mailoutbox: list[Any]) -> None:
    made = alerting.send_test(rule(), at(0))
    Message.objects.filter(pk=made.pk).update(next_at=at(0) + sending.CLAIM)  # as the other has claimed it
    assert not sending.send(made.pk, at(0))
    assert mailoutbox == []


def test_a_failure_repeats_no_secret(loopback: None) -> None:
    port = free_port()
    made = rule(channel="webhook", address=f"https://127.0.0.1:{port}/T0/topsecret", secret="hushhush")
    for column in (made.address_sealed, made.secret_sealed, made.shown):
        assert "topsecret" not in column
        assert "hushhush" not in column
    message = alerting.send_test(made, timezone.now())
    assert not sending.send(message.pk, timezone.now() + dt.timedelta(seconds=1))
    failure = Message.objects.get().failure
    assert "did not take it" in failure
    assert "topsecret" not in failure
    assert (
        sending.without("said hushhush to https://a/topsecret", "https://a/topsecret", "hushhush") == "said *** to ***"
    )


def test_a_camera_name_adds_no_header_to_a_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    camera = camera_at(site_in(), name="Market\r\nBcc: thief@example.org\r\n\r\n<script>")
    lost(camera)
    rule()
    alerting.speak(at(0))
    with mail_server() as (box, settings.EMAIL_PORT):
        assert sending.deliver(at(0)) == 1
    assert box.recipients == [["duty@northshire.example"]]
    assert box.mails[0]["bcc"] is None
    assert box.mails[0]["subject"] == "Market Bcc: thief@example.org <script> is lost"


def test_a_rule_keeps_its_address_until_another_is_given_or_its_channel_changes() -> None:
    made = rule()
    before = made.address_sealed
    made.delay_s = 5
    assert save_rule(made, ALL, address="", secret=None).address_sealed == before
    made.channel = "webhook"
    with pytest.raises(InvalidError, match="where it is to be sent"):
        save_rule(made, ALL, address="", secret=None)


def test_of_two_who_change_a_rule_the_second_is_told() -> None:
    made = rule()
    assert made.version == 1
    save_rule(made, ALL, address="", secret=None, version=1)
    with pytest.raises(ConflictError, match="Somebody else"):
        save_rule(made, ALL, address="", secret=None, version=1)


def test_a_rule_that_is_not_in_use_says_nothing_and_begins_anew(mailoutbox: list[Any]) -> None:
    made = rule(enabled=False)
    lost(camera_at(site_in()))
    assert alerting.speak(at(0)) == 0
    made.enabled = True
    save_rule(made, ALL, address="", secret=None)
    assert alerting.speak(at(0)) == 1


@pytest.fixture
def threads() -> Iterator[None]:
    yield
    sending.stop()


@pytest.mark.django_db(transaction=True)
def test_the_thread_is_quiet_at_first_and_delivers_what_waits(threads: None, mailoutbox: list[Any]) -> None:
    lost(camera_at(site_in()), since=-7 * 86_400)
    Condition.objects.update(since=timezone.now() - dt.timedelta(hours=1))
    alerting.send_test(rule(), timezone.now())
    sending.start(every_s=0.02, quiet_s=600)
    _wait(lambda: len(mailoutbox) == 1)
    assert mailoutbox[0].subject.startswith("Test of the alert")
    sending.stop()
    sending.start(every_s=0.02, quiet_s=0)
    _wait(lambda: len(mailoutbox) == 2)
    assert mailoutbox[1].subject == "Market is lost"


def _wait(happened: Any) -> None:
    deadline = timezone.now() + dt.timedelta(seconds=20)
    while not happened():
        assert timezone.now() < deadline
