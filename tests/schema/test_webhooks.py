"""The webhook documentation describes every event that the code can send, and sent webhooks match it."""

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.utils import timezone

from bubblyphone.core.api.openapi import description, openapi
from calls import timeline
from calls.control import lifecycle
from calls.models import Call
from phone_numbers.charging import renewal_notices
from phone_numbers.models import Verification
from phone_numbers.verification import verification_notices
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.described import check_against, check_webhook
from webhooks.models import WebhookDelivery

APPS = ("accounts", "webhooks", "agents", "billing", "calls", "phone_numbers", "sandbox")


# --- events in the code -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Sender:
    """A function that sends a webhook, and the position of the event name in its arguments."""

    keyword: str
    position: int | None = None

    def event_of(self, call: ast.Call) -> ast.expr | None:
        named = next((keyword.value for keyword in call.keywords if keyword.arg == self.keyword), None)
        if named is None and self.position is not None and len(call.args) > self.position:
            return call.args[self.position]
        return named


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def constants_of(tree: ast.Module) -> dict[str, set[str]]:
    """Named text constants of a module: a single text, or the values of a dictionary."""
    found: dict[str, set[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and any(name.name.isupper() for name in node.names):
            path = Path(settings.BASE_DIR, *node.module.split(".")).with_suffix(".py")
            found |= constants_of(ast.parse(path.read_text())) if path.is_file() else {}
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            texts = {node.value for node in values if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            if len(texts) and len(values) >= len(texts):
                found[node.targets[0].id] = texts
    return found


def read(expression: ast.expr, constants: dict[str, set[str]]) -> set[str]:
    match expression:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)) | ast.Attribute(attr=name):
            return constants.get(name, set())
        case ast.IfExp(body=one, orelse=other):
            return read(one, constants) | read(other, constants)
    return set()


@dataclass(frozen=True)
class Source:
    """One of our source files, parsed once."""

    path: Path
    constants: dict[str, set[str]]
    calls: list[ast.Call]
    functions: list[tuple[ast.FunctionDef, list[ast.Call]]]

    @classmethod
    def read(cls, path: Path) -> "Source":
        tree = ast.parse(path.read_text())
        nodes = list(ast.walk(tree))
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
        return cls(
            path,
            constants_of(tree),
            [node for node in nodes if isinstance(node, ast.Call)],
            [(function, [node for node in ast.walk(function) if isinstance(node, ast.Call)]) for function in functions],
        )

    @property
    def parameters(self) -> set[str]:
        return {argument.arg for function, _ in self.functions for argument in arguments(function)}


def events_in_code() -> tuple[set[str], list[str]]:
    """Returns the names of events, and the calls whose event cannot be determined from the code."""
    files = [
        path
        for app in APPS
        for path in Path(settings.BASE_DIR, app).rglob("*.py")
        if not {"migrations", "exchange"} & set(path.parts)
    ]
    sources = [Source.read(path) for path in files]
    senders = {
        "publish": Sender("event_type"),
        "Report": Sender("event_type", 2),
        "LoggedRequest": Sender("event_type"),
    }
    # A function that passes its own parameter on also sends webhooks.
    for _ in range(3):
        for source in sources:
            senders |= dict(forwarders(source, senders))
    found: set[str] = set()
    unread: list[str] = []
    for source in sources:
        parameters = source.parameters
        for call in source.calls:
            event = senders[name_of(call)].event_of(call) if name_of(call) in senders else None
            if event is None or (isinstance(event, ast.Name) and event.id in parameters):
                continue
            names = read(event, source.constants)
            found |= names
            unread += [] if names else [f"{source.path.relative_to(settings.BASE_DIR)}:{call.lineno}"]
    return found, unread


def arguments(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.args, *function.args.kwonlyargs]


def forwarders(source: Source, senders: dict[str, Sender]) -> Iterator[tuple[str, Sender]]:
    for function, calls in source.functions:
        names = [argument.arg for argument in arguments(function)]
        for call in calls:
            event = senders[name_of(call)].event_of(call) if name_of(call) in senders else None
            if isinstance(event, ast.Name) and event.id in names and function.name not in senders:
                is_positional = event.id in [argument.arg for argument in function.args.args]
                position = names.index(event.id) - (names[0] == "self") if is_positional else None
                yield function.name, Sender(event.id, position)


def test_exactly_the_events_that_the_code_can_send_are_described() -> None:
    found, unread = events_in_code()
    assert unread == [], "write the event's name there, or in a constant of the module"
    assert found == set(description().webhooks), "describe it in <app>/api/webhook_events.py"


def test_the_page_and_the_document_have_every_event(client: Client, db: None) -> None:
    page = client.get("/docs/webhooks").content.decode()
    for event, webhook in description().webhooks.items():
        assert f"<code>{event}</code>" in page
        content = openapi()["webhooks"][event]["post"]["requestBody"]["content"]["application/json"]
        check_against(content["schema"], content["examples"]["example"]["value"])
        assert next(iter(webhook.example(event))) == "event"


# --- sent webhooks ----------------------------------------------------------------------------------------------------
def sent() -> dict[str, dict[str, Any]]:
    bodies = [json.loads(body) for body in WebhookDelivery.objects.values_list("body", flat=True)]
    return {body["event"]: body for body in bodies}


@pytest.mark.django_db
def test_webhooks_of_a_call_match_their_description() -> None:
    now = timezone.now()
    call = make_call(make_streaming_number(make_account()), now - timedelta(seconds=95))
    timeline.add_event(call.pk, "stream.connected", "streaming")
    timeline.add_event(call.pk, "dtmf.received", "telephony", digit="5")
    with transaction.atomic():
        lifecycle.finish(Call.objects.get_for_update(call.pk), ended_at=now, cause="normal_clearing")
    assert sent().keys() == {"call.started", "call.dtmf", "call.ended", "call.hangup"}
    for body in sent().values():
        check_webhook(body)


@pytest.mark.django_db
@pytest.mark.parametrize("state", list(renewal_notices.EVENTS))
def test_webhooks_of_a_number_match_their_description(state: str) -> None:
    number, now = make_streaming_number(make_account()), timezone.now()
    renewal_notices.send(number, state, now, ends_at=now, days_left=3)
    check_webhook(sent()[renewal_notices.EVENTS[state]])


@pytest.mark.django_db
@pytest.mark.parametrize("status", ["approved", "rejected"])
def test_webhooks_of_a_decision_match_their_description(status: str) -> None:
    number = make_streaming_number(make_account())
    reason = "Too old." if status == "rejected" else ""
    verification = Verification.objects.create(
        developer=number.developer, country_code="GB", number_type="local", status=status, rejection_reason=reason
    )
    verification_notices.announce(verification)
    check_webhook(sent()["country.verification.updated"])
