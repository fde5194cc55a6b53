"""Post-call analysis: exact types, one retry, a single charge, and rules if no model is configured."""

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from calls.after_call import analysis, jobs
from calls.charging.ledger_check import check_calls
from calls.clock import sweeper
from calls.models import Analysis, Call, CallEvent
from tests import factories
from tests.calls.recorded import ended_call
from tests.fakes.chat import PATH, FakeChat
from tests.fakes.web_thread import WebThread
from tests.jobs import run_jobs
from webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
# The documented example.
SCHEMA: dict[str, Any] = {
    "qualified_lead": {
        "type": "boolean",
        "description": "Did the caller express clear interest in purchasing?",
    },
    "budget": {"type": "number", "description": "What budget did the caller mention? Null if not mentioned."},
    "disposition": {
        "type": "selector",
        "description": "How the call ended",
        "options": ["interested", "not_interested", "callback_requested", "wrong_number"],
    },
    "summary": {"type": "text", "description": "Brief 1-2 sentence summary of the call"},
}
RESULT = {
    "qualified_lead": True,
    "budget": 5000,
    "disposition": "interested",
    "summary": "Customer wants to discuss enterprise pricing next week.",
}
TALK = [
    ("model", "Hello, Acme here. How can I help you?"),
    ("user", "Hi. I am interested in buying the enterprise plan."),
    ("model", "Gladly. What is your budget?"),
    ("user", "About five thousand dollars. Thank you, bye."),
]


@pytest.fixture
def chat(settings: Any) -> Iterator[FakeChat]:
    fake = FakeChat([json.dumps(RESULT)])
    with WebThread(fake.routes()) as server:
        base_url = server.url + PATH.removesuffix("/chat/completions")
        options = {"api_key": "sk-of-the-platform", "base_url": base_url, "model": "gpt-5.4-nano"}
        settings.ANALYZER = {"BACKEND": "agents.analysis.openai.OpenAIAnalyzer", "OPTIONS": options}
        yield fake


def call_to_analyze(
    *, schema: dict[str, Any] | None = SCHEMA, talk: list[tuple[str, str]] = TALK, balance: str = "10", **fields: Any
) -> Call:
    """A call that ended 10 seconds ago, of an agent with an analysis schema."""
    call = ended_call(balance)
    now = timezone.now()
    config = {**call.config, "analysis_schema": {"value": schema, "source": "number_agent"}}
    values = {"config": config, "started_at": now - timedelta(seconds=70), "ended_at": now - timedelta(seconds=10)}
    Call.objects.filter(pk=call.pk).update(**{**values, **fields})
    for place, (role, text) in enumerate(talk):
        call.transcript.create(role=role, text=text, spoken_at=now - timedelta(seconds=60 - place))
    call.refresh_from_db()
    return call


def finish() -> None:
    sweeper.announce_transcripts(timezone.now())
    run_jobs()


def get_json_response(client: Client, call: Call, path: str = "/analysis") -> Any:
    return client.get(f"/api/v1/calls/{call.pk}{path}", headers=factories.bearer(call.developer))


def analysis_webhooks(call: Call) -> list[dict[str, Any]]:
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type__startswith="call.analysis")
    return [json.loads(hook.body) for hook in hooks]


def test_the_result_is_stored_announced_and_charged_once(chat: FakeChat, client: Client) -> None:
    call = call_to_analyze()
    finish()
    found = get_json_response(client, call, "").json()["data"]
    assert (found["analysis_result"], found["analysis_cost"], found["total_cost"]) == (RESULT, "0.01", "0.01")
    report = get_json_response(client, call).json()["data"]
    assert (report["status"], report["source"], report["result"]) == ("ready", "openai:gpt-5.4-nano", RESULT)
    (hook,) = analysis_webhooks(call)
    del hook["timestamp"]
    assert hook == {
        "event": "call.analysis.ready",
        "call_id": str(call.pk),
        "analysis": RESULT,
        "source": "openai:gpt-5.4-nano",
    }
    finish()
    analysis.run(Analysis.objects.get().pk)
    assert (len(chat.requests), len(analysis_webhooks(call))) == (1, 1)
    assert ledger.balance(call.developer_id) == Decimal("9.99")
    assert list(check_calls()) == []


def test_the_model_gets_the_transcript_and_the_schema(chat: FakeChat) -> None:
    call_to_analyze()
    finish()
    (request,) = chat.requests
    assert request["model"] == "gpt-5.4-nano"
    system, user = request["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "Caller: Hi. I am interested in buying the enterprise plan.\nAgent: Gladly." in user["content"]
    fields = request["response_format"]["json_schema"]["schema"]["properties"]
    assert list(fields) == list(SCHEMA) != sorted(SCHEMA)
    assert fields["disposition"]["enum"] == SCHEMA["disposition"]["options"]
    assert fields["budget"]["description"] == SCHEMA["budget"]["description"]


WRONG = [
    {**RESULT, "qualified_lead": None},
    {**RESULT, "qualified_lead": "yes"},
    {**RESULT, "budget": "5000"},
    {**RESULT, "budget": True},
    {**RESULT, "disposition": "maybe"},
    {**RESULT, "disposition": None},
    {**RESULT, "summary": 5},
    {**RESULT, "more": 1},
    {name: value for name, value in RESULT.items() if name != "summary"},
    [RESULT],
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_invalid_answer_is_sent_back_once(chat: FakeChat, wrong: Any) -> None:
    call = call_to_analyze()
    chat.answers = [json.dumps(wrong), json.dumps({**RESULT, "budget": None, "summary": None})]
    finish()
    call.refresh_from_db()
    assert call.analysis_result == {**RESULT, "budget": None, "summary": None}
    again = chat.requests[1]["messages"]
    assert [message["role"] for message in again] == ["system", "user", "assistant", "user"]
    assert again[2]["content"] == json.dumps(wrong)
    assert "does not fit" in again[3]["content"]


@pytest.mark.parametrize("answer", ["no JSON", json.dumps({**RESULT, "budget": "much"}), ""])
def test_repeated_invalid_answers_fail_with_the_reason_and_cost_nothing(
    chat: FakeChat, client: Client, answer: str
) -> None:
    call = call_to_analyze()
    chat.answers = [answer]
    finish()
    report = get_json_response(client, call).json()["data"]
    assert (report["status"], report["result"], bool(report["reason"])) == ("failed", None, True)
    (hook,) = analysis_webhooks(call)
    assert (hook["event"], hook["reason"]) == ("call.analysis.failed", report["reason"])
    assert CallEvent.objects.filter(call=call, event_type="analysis.failed").count() == 1
    assert ledger.balance(call.developer_id) == 10
    assert Call.objects.get(pk=call.pk).analysis_cost == 0


def test_an_unavailable_provider_is_retried(chat: FakeChat, client: Client) -> None:
    call = call_to_analyze()
    chat.answers = [503, 429, json.dumps(RESULT)]
    finish()
    for _ in range(2):
        assert get_json_response(client, call).json()["data"]["status"] == "pending"
        Analysis.objects.update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
    assert get_json_response(client, call).json()["data"]["status"] == "ready"


def test_another_worker_takes_over_from_one_that_died(chat: FakeChat, client: Client) -> None:
    call = call_to_analyze()
    sweeper.announce_transcripts(timezone.now())
    work = Analysis.objects.get()
    assert jobs.claim(Analysis, work.pk) is not None  # then the worker dies
    run_jobs()
    assert chat.requests == []  # its claim has not expired
    Analysis.objects.update(next_attempt_at=timezone.now())
    jobs.resume_all()
    run_jobs()
    assert get_json_response(client, call).json()["data"]["status"] == "ready"


def test_without_speech_the_model_is_not_called(chat: FakeChat, client: Client) -> None:
    call = call_to_analyze(talk=[])
    finish()
    report = get_json_response(client, call).json()["data"]
    empty = {"qualified_lead": False, "budget": None, "disposition": "not_interested", "summary": None}
    assert (report["status"], report["source"], report["result"]) == ("ready", "no_speech", empty)
    assert chat.requests == []


def test_calls_without_a_schema_or_an_answer_are_not_analyzed(chat: FakeChat, client: Client) -> None:
    plain, unanswered = call_to_analyze(schema=None), call_to_analyze(status="failed", answered_at=None)
    running = call_to_analyze(status="answered", ended_at=None)
    finish()
    assert Analysis.objects.count() == 0
    assert [get_json_response(client, call).status_code for call in (plain, unanswered, running)] == [404, 404, 409]
    assert ledger.balance(plain.developer_id) == 10


def test_demo_calls_are_analyzed_for_free_and_accounts_without_credit_are_not(chat: FakeChat, client: Client) -> None:
    demo, poor = call_to_analyze(demo=True, balance="0"), call_to_analyze(balance="0.009")
    finish()
    assert [get_json_response(client, call).json()["data"]["status"] for call in (demo, poor)] == ["ready", "failed"]
    assert [ledger.balance(call.developer_id) for call in (demo, poor)] == [0, Decimal("0.009")]
    assert Call.objects.get(pk=poor.pk).analysis_result is None


def test_field_names_can_be_reserved_words(chat: FakeChat) -> None:
    schema = {
        name: {"type": "text", "description": "A word"} for name in ("model_config", "_private", "schema", "copy")
    }
    call = call_to_analyze(schema=schema)
    values = {name: f"{name}\x00!" for name in schema}
    chat.answers = [json.dumps(values)]
    finish()
    call.refresh_from_db()
    assert call.analysis_result == {name: f"{name}!" for name in schema}


# --- rules ------------------------------------------------------------------------------------------------------------


def analyze_by_rules(schema: dict[str, Any], *talk: tuple[str, str]) -> dict[str, Any]:
    call = call_to_analyze(schema=schema, talk=list(talk))
    finish()
    work = Analysis.objects.get(call=call)
    assert (work.status, work.source) == ("ready", "offline_rules")
    call.refresh_from_db()
    result: dict[str, Any] = call.analysis_result
    return result


def field(kind: str, description: str, *options: str) -> dict[str, Any]:
    return {"type": kind, "description": description, **({"options": list(options)} if options else {})}


def test_rules_replace_a_missing_model() -> None:
    result = analyze_by_rules(SCHEMA, *TALK)
    assert (result["qualified_lead"], result["budget"], result["disposition"]) == (True, 5000, "interested")
    assert result["summary"].startswith("I am interested in buying the enterprise plan.")


@pytest.mark.parametrize(
    ("transcript", "disposition", "lead"),
    [
        ("No thanks, I am not interested.", "not_interested", False),
        ("Could you call me back tomorrow?", "callback_requested", False),
        ("You have the wrong number.", "wrong_number", False),
        ("What is the weather like?", "not_interested", False),
    ],
)
def test_rules_find_the_outcome(transcript: str, disposition: str, lead: bool) -> None:
    result = analyze_by_rules(SCHEMA, ("model", "Hello."), ("user", transcript))
    assert (result["disposition"], result["qualified_lead"], result["budget"]) == (disposition, lead, None)


def test_rules_find_answers_to_questions() -> None:
    schema = {
        "party_size": field("number", "For how many people"),
        "name": field("text", "The caller's name"),
        "email": field("text", "E-mail address, if given"),
        "newsletter": field("boolean", "Wants the newsletter"),
        "room": field("selector", "Where they want to sit", "inside", "terrace", "unknown"),
        "parking": field("boolean", "Asked about parking"),
    }
    result = analyze_by_rules(
        schema,
        ("model", "For how many people?"),
        ("user", "Four, please. My name is Grace Hopper."),
        ("model", "Would you like our newsletter?"),
        ("user", "No, thank you."),
        ("user", "On the terrace, if that is possible."),
    )
    assert result == {
        "party_size": 4,
        "name": "Grace Hopper",
        "email": None,
        "newsletter": False,
        "room": "terrace",
        "parking": False,
    }
