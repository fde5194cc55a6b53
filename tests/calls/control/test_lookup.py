"""The inbound lookup: what a response changes, and that no server can delay or lose a call."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents import services
from agents.models import Agent
from billing.models import LedgerEntry
from calls.clock import sweeper
from calls.control import inbound, lookup
from calls.control.lookup_reply import LookupOutcome, LookupReply, MalformedReply, parse_reply, read_outcome
from calls.live import tool_requests
from calls.models import Call
from phone_numbers.carriers.carrier_events import CarrierEventType
from phone_numbers.models import PhoneNumber
from tests import factories
from tests.calls.rows import make_call, make_streaming_number
from tests.calls.webhook_mode.test_webhook_mode import Line
from tests.described import check_webhook
from tests.fakes.bad_server import BEHAVIORS, BadServer
from tests.fakes.recording_server import Answer, RecordingServer
from tests.pages.signed_in import signed_in_client
from tests.waiting import eventually
from webhooks.http.outbound_http import PostResult
from webhooks.models import WebhookDelivery
from webhooks.sending.signing import signature_headers, signing_keys

URL = "http://127.0.0.1:9/lookup"
PROMPT = "You talk to {{name|somebody}} of {{company}}."


def ring(**fields: Any) -> Line:
    settings = {
        "mode": "streaming",
        "model_slug": "gemini-3.1-flash-live",
        "system_prompt": PROMPT,
        "lookup_url": URL,
        **fields,
    }
    return Line(**settings)


def finish(line: Line, **reply: Any) -> str:
    return inbound.finish_lookup(line.call.pk, LookupOutcome(LookupReply(**reply), latency_ms=120))


def about(line: Line, event_type: str) -> list[Any]:
    return list(line.call.events.filter(event_type=event_type).values_list("metadata", flat=True))


# --- effects of a response ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_ringing_call_is_looked_up_and_call_incoming_does_not_wait() -> None:
    line = ring()
    assert line.call.lookup_pending
    hooks = WebhookDelivery.objects.filter(subject=f"call:{line.call.pk}").order_by("pk")
    assert [hook.event_type for hook in hooks] == ["call.incoming", "call.lookup"]
    body = json.loads(hooks[1].body)
    check_webhook(body)
    del body["timestamp"]
    assert body == {
        "event": "call.lookup",
        "call_id": str(line.call.pk),
        "from": "+15551230000",
        "to": line.number.e164,
        "phone_number_id": str(line.number.pk),
        "agent_id": None,
    }
    assert (hooks[1].next_attempt_at, hooks[1].url) == (None, URL)  # the dispatcher does not send it


@pytest.mark.django_db
def test_all_fields_of_a_response() -> None:
    line = ring()
    agent = factories.make_agent(
        developer=line.number.developer,
        system_prompt="Agent for {{name}}, {{caller_number}}.",
        model_slug="gpt-realtime-mini",
        recording_enabled=True,
    )
    problem = finish(
        line,
        agent_id=agent.pk,
        dynamic_variables={"name": "Ada", "caller_number": "hidden"},
        metadata={"customer": "17"},
        greeting_message="Greet {{name}}.",
    )
    call = line.call
    assert (problem, call.lookup_pending, call.agent, call.metadata) == ("", False, agent, {"customer": "17"})
    assert (call.model_slug, call.recording_enabled) == ("gpt-realtime-mini", True)
    config = {name: (entry["value"], entry["source"]) for name, entry in call.config.items()}
    assert config["system_prompt"] == ("Agent for Ada, hidden.", "agent")
    assert config["greeting_message"] == ("Greet Ada.", "lookup")
    assert call.dynamic_variables == {"name": "Ada", "caller_number": "hidden"}
    assert about(line, "lookup.completed") == [
        {
            "agent_id": agent.pk,
            "variables": ["caller_number", "name"],
            "metadata": ["customer"],
            "greeting_message": True,
            "latency_ms": 120,
        }
    ]
    line.report(CarrierEventType.ANSWERED, 2)
    assert json.loads(line.hook("call.answered").body)["metadata"] == {"customer": "17"}
    assert "metadata" not in json.loads(line.hook("call.incoming").body)


@pytest.mark.django_db
@pytest.mark.parametrize(("pinned", "named", "prompt", "version"), [
    (True, "own", "The first.", 1), (True, None, "The first.", 1), (False, "own", "The second.", 2), (True, "other", "Another.", 1),
])  # fmt: skip
def test_a_numbers_pinned_version_answers_even_if_the_response_names_its_agent(
    pinned: bool, named: str | None, prompt: str, version: int
) -> None:
    line = ring(system_prompt=None)
    own, other = (
        services.create_agent(
            developer=line.number.developer,
            changes={"name": text, "model_slug": "gpt-realtime-mini", "system_prompt": text},
        )
        for text in ("The first.", "Another.")
    )
    services.update_agent(agent=own, changes={"system_prompt": "The second."})
    pin = own.versions.get(number=1) if pinned else None
    PhoneNumber.objects.filter(pk=line.number.pk).update(agent=own, agent_version=pin)
    Call.objects.filter(pk=line.call.pk).delete()
    line.control = "again"
    line.report(CarrierEventType.INITIATED, 1, direction="inbound")
    agent = {"own": own, "other": other, None: None}[named]
    assert finish(line, agent_id=agent.pk if agent else None) == ""
    assert (line.call.settings.system_prompt, line.call.agent_version) == (prompt, version)
    assert line.call.agent == (agent or own)


@pytest.mark.django_db
def test_without_a_response_the_call_continues_as_configured() -> None:
    line = ring()
    assert inbound.finish_lookup(line.call.pk, lookup.TOO_LATE) == "No response within 2.3 seconds."
    assert line.call.settings.system_prompt == "You talk to somebody of ."
    assert about(line, "lookup.failed") == [{"reason": "timeout", "detail": "No response within 2.3 seconds."}]
    assert about(line, "variables.missing") == [{"names": ["company"]}]
    assert finish(line, metadata={"late": "1"}) == ""  # too late: the lookup has already ended
    assert (line.call.metadata, about(line, "lookup.completed")) == ({}, [])


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["streaming", "webhook"])
def test_a_rejected_call_is_free(mode: str) -> None:
    line = ring(mode=mode)
    finish(line, reject=True, metadata={"list": "blocked"})
    call = line.call
    assert (call.status, call.hangup_cause, call.total_cost) == ("failed", "rejected", Decimal(0))
    assert about(line, "call.refused") == [{"reason": "rejected_by_lookup"}]
    assert json.loads(line.hook("call.hangup").body)["metadata"] == {"list": "blocked"}
    assert LedgerEntry.objects.filter(developer=line.number.developer).count() == 1  # the credit


@pytest.mark.django_db
def test_webhook_mode_does_not_wait_and_an_answered_call_is_not_rejected() -> None:
    line = ring(mode="webhook", webhook_url=URL).answered(action="answer", text="Hello")
    finish(line, reject=True, metadata={"customer": "17"}, dynamic_variables={"name": "Ada"})
    call = line.call
    assert (call.status, call.metadata, call.dynamic_variables) == ("answered", {"customer": "17"}, {"name": "Ada"})
    assert about(line, "call.refused") == []


@pytest.mark.django_db
def test_a_caller_hangs_up_during_the_lookup() -> None:
    line = ring()
    line.report(CarrierEventType.ENDED, 1, cause="no_answer")
    finish(line, metadata={"customer": "17"}, reject=True)
    assert (line.call.hangup_cause, line.call.metadata) == ("no_answer", {"customer": "17"})
    assert about(line, "call.refused") == []


def make_agent_of_another_account(line: Line) -> Agent:
    return factories.make_agent(name="Theirs")


def make_agent_without_model(line: Line) -> Agent:
    agent = factories.make_agent(developer=line.number.developer, model_slug="gpt-realtime-mini")
    Agent.objects.filter(pk=agent.pk).update(model_slug="no-such-model")
    return agent


def make_agent_over_its_cap(line: Line) -> Agent:
    agent = factories.make_agent(developer=line.number.developer, daily_cap=Decimal("0.01"), system_prompt="Spent.")
    make_call(make_streaming_number(line.number.developer), timezone.now(), agent=agent)
    return agent


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_agent_of_another_account, "malformed"),
        (make_agent_without_model, "model_unavailable"),
        (make_agent_over_its_cap, "agent_daily_cap_reached"),
    ],
)
def test_naming_an_agent_that_cannot_answer_loses_no_call(make: Any, reason: str) -> None:
    line = ring()
    before = line.call
    agent = make(line)
    assert str(agent.pk) in finish(line, agent_id=agent.pk, metadata={"a": "b"}) or reason == "agent_daily_cap_reached"
    call = line.call
    assert (call.agent_id, call.model_slug, call.metadata) == (None, before.model_slug, {})
    assert [event["reason"] for event in about(line, "lookup.failed")] == [reason]
    assert (call.status, call.lookup_pending) == ("ringing", False)


# --- parsing ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("", LookupReply()),
        ("{}", LookupReply()),
        ('{"agent_id": null, "reject": null, "metadata": null, "more": [1]}', LookupReply()),
        ('{"agent_id": "12"}', LookupReply(agent_id=12)),
        ('{"agent_id": 12, "reject": false}', LookupReply(agent_id=12)),
    ],
)
def test_valid_responses(body: str, reply: LookupReply) -> None:
    assert parse_reply(body) == reply


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("[]", "JSON object"),
        ("<html>", "not valid JSON"),
        ('{"agent_id": "x"}', "agent_id"),
        ('{"agent_id": true}', "agent_id"),
        ('{"agent_id": 1.5}', "agent_id"),
        ('{"agent_id": 9223372036854775808}', "agent_id"),
        ('{"dynamic_variables": []}', "dynamic_variables"),
        ('{"dynamic_variables": {"1a": "x"}}', "invalid name"),
        ('{"dynamic_variables": {"a": 5}}', "dynamic_variables.a"),
        ('{"dynamic_variables": {"a": "%s"}}' % ("x" * 2001), "dynamic_variables.a"),
        ('{"metadata": "x"}', "metadata: "),
        ('{"metadata": {"a": 1}}', "metadata.a: "),
        ('{"greeting_message": 5}', "greeting_message"),
        ('{"greeting_message": "%s"}' % ("x" * 2001), "greeting_message"),
        ('{"reject": "yes"}', "reject"),
        ('{"reject": 1}', "reject"),
        ('{"agent_id": "%s"}' % ("9" * 5000), "agent_id"),
        ('{"agent_id": ["1"]}', "agent_id"),
    ],
)
def test_malformed_responses(body: str, problem: str) -> None:
    with pytest.raises(MalformedReply, match=problem):
        parse_reply(body)
    assert read_outcome(PostResult(200, body, 5, None)).reason == "malformed"


# --- a process dies ---------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_the_sweeper_continues_a_call_whose_process_died() -> None:
    line = ring()
    Call.objects.update(started_at=timezone.now() - timedelta(seconds=5))
    sweeper.answer_again(timezone.now())
    assert (line.call.lookup_pending, [event["reason"] for event in about(line, "lookup.failed")]) == (
        False,
        ["process_ended"],
    )
    tool_requests.give_up_lost(timezone.now() + timedelta(seconds=90))
    assert len(about(line, "lookup.failed")) == 1
    assert line.hook("call.lookup").status == "failed"


@pytest.mark.django_db
def test_a_webhook_mode_call_learns_that_its_lookup_was_lost() -> None:
    line = ring(mode="webhook", webhook_url=URL)
    tool_requests.give_up_lost(timezone.now() + timedelta(seconds=90))
    assert [event["reason"] for event in about(line, "lookup.failed")] == ["process_ended"]
    assert about(line, "tool.abandoned") == []


# --- bad servers ------------------------------------------------------------------------------------------------------
NEVER_DONE = ("hang", "drip-header", "drip-body", "half")
FAILURES = {
    "huge": "bad_response",
    "endless-header": "unreachable",
    "bomb": "bad_response",
    "deep": "malformed",
    "redirect": "bad_response",
    "error": "bad_response",
    "close": "unreachable",
    "no-http": "unreachable",
    "html": "malformed",
    "list": "malformed",
}


def ring_at(server: BadServer, *names: str) -> dict[str, Line]:
    """A ringing call for each name, after the command to answer was sent for all of them."""
    lines = {name: ring(lookup_url=server.url(name)) for name in names}
    eventually(lambda: not Call.objects.filter(last_command_at=None).exists())
    return lines


@pytest.mark.django_db(transaction=True)
def test_no_server_delays_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 0.5)
    with BadServer() as server:
        lines = ring_at(server, *NEVER_DONE)
        for line in lines.values():  # none of them waited for its request, which ends after 10 s
            assert about(line, "lookup.failed") == [{"reason": "timeout", "detail": lookup.TOO_LATE.detail}]
            assert line.call.settings.system_prompt == "You talk to somebody of ."
            assert line.hook("call.lookup").attempt_count == 0
    eventually(lambda: not WebhookDelivery.objects.filter(event_type="call.lookup", attempt_count=0).exists())


@pytest.mark.django_db(transaction=True)
def test_no_server_loses_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 30.0)
    assert {*FAILURES, *NEVER_DONE, "no-content"} == set(BEHAVIORS)
    with BadServer() as server:
        lines = ring_at(server, *FAILURES, "no-content", "ok")
        eventually(lambda: not WebhookDelivery.objects.filter(event_type="call.lookup", attempt_count=0).exists())
    for name, reason in FAILURES.items():
        assert [event["reason"] for event in about(lines[name], "lookup.failed")] == [reason], name
        assert lines[name].hook("call.lookup").status == "failed", name
        assert lines[name].call.settings.system_prompt == "You talk to somebody of ."
    for name in ("no-content", "ok"):
        assert len(about(lines[name], "lookup.completed")) == 1
        assert lines[name].hook("call.lookup").status == "delivered"
    assert lines["ok"].call.metadata == {"found": "yes"}
    assert {line.call.status for line in lines.values()} == {"ringing"}


@pytest.mark.django_db(transaction=True)
def test_a_late_response_is_in_the_log_and_private_addresses_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 0.0)
    with RecordingServer([Answer(200, b'{"reject": true}')]) as server:
        line = ring(lookup_url=server.url)
        eventually(lambda: line.hook("call.lookup").attempt_count == 1)
        attempt = line.hook("call.lookup").attempts.get()
        assert (attempt.response_status, attempt.response_body, attempt.success, attempt.error_message) == (
            200, '{"reject": true}', False, "The response arrived too late: the call did not wait for it.",
        )  # fmt: skip
        (request,) = server.requests
        headers = {name.lower(): value for name, value in request.headers.items()}
        hook = line.hook("call.lookup")
        signed = signature_headers(
            signing_keys(line.number.signing_secret), hook.body, hook.webhook_id, int(headers["x-timestamp"])
        )
        assert (request.body.decode(), headers["x-signature"]) == (hook.body, signed["X-Signature"])
    monkeypatch.setattr(lookup, "WAIT_SECONDS", 30.0)
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    with RecordingServer([]) as server:
        refused = ring(lookup_url=server.url)
        eventually(lambda: refused.hook("call.lookup").attempt_count == 1)
        assert about(refused, "lookup.failed")[0]["detail"] == "127.0.0.1 does not resolve to a public address."
        assert server.requests == []
    assert {line.call.status, refused.call.status} == {"ringing"}


# --- settings and pages -----------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_an_outbound_call_rejects_a_lookup_url() -> None:
    number = make_streaming_number(factories.make_developer())
    body = {"from": number.e164, "to": "+12025550123", "lookup_url": "https://example.com/"}
    headers = factories.bearer(number.developer)
    answer = Client().post("/api/v1/calls", body, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["errors"]) == (422, {"lookup_url": ["Unknown field."]})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(200, b'{"dynamic_variables": {"name": "Ada"}}'), "Sets variables: name."),
        (Answer(200, b'{"reject": true}'), "The call is rejected."),
        (Answer(204, b""), "The response changes nothing."),
        (Answer(200, b'{"agent_id": 999999}'), "Agent 999999 does not exist."),
        (Answer(503, b"<b>"), "The server responded with status 503."),
        (Answer(302, b"", {"Location": "/"}), "Redirects are not followed."),
    ],
)
def test_the_lookup_test_on_the_page(answer: Answer, text: str) -> None:
    number = make_streaming_number(factories.make_developer())
    client = signed_in_client(number.developer)
    assert "Lookup test" in client.get(f"/numbers/{number.pk}").content.decode()
    with RecordingServer([answer]) as server:
        form = {"lookup_url": server.url, "trial-number": str(number.pk)}
        fragment = client.post("/lookup/try", form, headers={"HX-Request": "true"}).content.decode()
        assert text in fragment
        assert f"signed with the secret of {number.e164}" in fragment
    assert json.loads(server.requests[0].body)["to"] == number.e164
    assert "Lookup URL:" in client.post("/lookup/try", {"lookup_url": "nowhere"}, follow=True).content.decode()
