"""Pages of alert rules: list, add, change, delete, try."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from overt.control.health import alerting, sending, visible
from overt.control.health.channels import CHANNELS
from overt.control.health.forms import EVERYWHERE_WORDS, RuleForm
from overt.control.health.kinds import KINDS
from overt.control.health.models import AlertRule, Message
from overt.control.health.rules import delete_rule, save_rule
from overt.control.health.severity import SEVERITY_WORDS
from overt.control.people.actions import Action
from overt.control.people.gate import Asked, asks
from overt.control.people.saving import attempt, status_of, version_of

MESSAGES: Final = 50
_CHANGE: Final = Action.CHANGE_CAMERAS
_HINTS: Final = (
    "E-mail: one or more addresses, separated by commas. Webhook: https://… MQTT: mqtts://user@broker/topic. "
    "Another service: its Apprise address, such as ntfys://…"
)


@asks(_CHANGE)
@require_safe
def rules(request: Asked) -> HttpResponse:
    """List the rules that somebody may change, and what they sent lately."""
    found = visible.rules_changed(request.rights)
    return render(
        request,
        "health/alerts.html",
        {
            "rules": found,
            "sent": Message.objects.filter(rule__in=found).select_related("rule")[:MESSAGES],
            "channel_words": {each.name: each.words for each in CHANNELS},
            "kind_words": {each.name: each.words for each in KINDS.values()},
            "severity_words": {each.value: words for each, words in SEVERITY_WORDS.items()},
        },
    )


@asks(_CHANGE)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("address", "secret")
def add(request: Asked) -> HttpResponse:
    """Add a rule."""
    return _edit(request, None)


@asks(_CHANGE)
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("address", "secret")
def change(request: Asked, rule_id: int) -> HttpResponse:
    """Change a rule."""
    return _edit(request, _rule(request, rule_id))


@asks(_CHANGE)
@require_http_methods(["GET", "POST"])
def delete(request: Asked, rule_id: int) -> HttpResponse:
    """Ask, then delete a rule."""
    rule = _rule(request, rule_id)
    if request.method == "GET":
        return render(request, "health/alert_delete.html", {"rule": rule})
    delete_rule(rule, request.rights)
    messages.success(request, f"The rule “{rule.name}” was deleted.")
    return redirect("health:alerts")


@asks(_CHANGE)
@require_POST
def test(request: Asked, rule_id: int) -> HttpResponse:
    """Send a test message now, and say whether it arrived."""
    rule = _rule(request, rule_id)
    now = timezone.now()
    if sending.send(alerting.send_test(rule, now).pk, now):
        messages.success(request, f"A test message of “{rule.name}” was sent to {rule.shown}.")
    else:
        failed = Message.objects.filter(rule=rule, test=True).first()
        why = failed.failure if failed else "it is being sent elsewhere"
        messages.error(request, f"The test message of “{rule.name}” did not arrive: {why}.")
    return redirect("health:alerts")


def _rule(request: Asked, rule_id: int) -> AlertRule:
    found = visible.rules_changed(request.rights).filter(pk=rule_id).first()
    if found is None:
        raise Http404
    return found


def _edit(request: Asked, rule: AlertRule | None) -> HttpResponse:
    groups = visible.groups_changed(request.rights)
    everywhere = request.rights.may(_CHANGE)
    begin = {"channel": rule.channel if rule else None}
    shown = rule.version if rule else 0
    form = RuleForm(
        request.POST if request.method == "POST" else None,
        instance=rule,
        initial=begin,
        groups=groups,
        everywhere=everywhere,
    )
    if request.method == "POST" and form.is_valid():
        told = form.cleaned_data
        version = version_of(request.POST.get("version")) if rule else None
        saved = attempt(
            form,
            lambda: save_rule(
                form.save(commit=False),
                request.rights,
                address=told["address"],
                secret=told["secret"] or None,
                version=version,
            ),
        )
        if saved is not None:
            words = f"The rule “{saved.name}” was saved. Send a test message to see whether it arrives."
            messages.success(request, words)
            return redirect("health:alerts")
    fields = _fields(form, rule, groups, everywhere=everywhere)
    # After a refusal the version stays the one that the form was made of: whoever saves again has to look first.
    fields["version"] = request.POST.get("version", shown)
    return render(request, "health/alert.html", fields, status=status_of(form))


def _fields(form: RuleForm, rule: AlertRule | None, groups: Any, *, everywhere: bool) -> dict[str, Any]:
    keep = f"Now: {rule.shown}. Leave it empty to keep it. " if rule else ""
    return {
        "form": form,
        "rule": rule,
        "summary": [
            {"text": words[0]} if name == NON_FIELD_ERRORS else {"text": words[0], "href": f"#{name}"}
            for name, words in form.errors.items()
        ],
        "channels": [{"value": each.name, "text": each.words} for each in CHANNELS],
        "groups": [
            *([{"value": "", "text": EVERYWHERE_WORDS}] if everywhere else []),
            *({"value": str(each.pk), "text": each.name} for each in groups),
        ],
        "severities": [{"value": each.value, "text": words} for each, words in SEVERITY_WORDS.items()],
        "kinds": [{"value": each.name, "text": each.words} for each in KINDS.values()],
        "address_hint": keep + _HINTS,
        "secret_hint": (
            "Signs the messages of a webhook, or is the password of an MQTT broker. It is never shown again"
            + ("; leave it empty to keep it." if rule else ".")
        ),
    }
