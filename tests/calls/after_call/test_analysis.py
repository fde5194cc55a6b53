"""Post-call analysis: exact types, a second try, once charged, and what stands in without a model."""

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
        settings.ANALYSER = {"BACKEND": "agents.analysis.openai.OpenAIAnalyser", "OPTIONS": options}
        yield fake


def analysed_call(
    *, schema: dict[str, Any] | None = SCHEMA, talk: list[tuple[str, str]] = TALK, balance: str = "10", **fields: Any
) -> Call:
    """A call with an agent that wants it analysed, over for some seconds."""
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


def shown(client: Client, call: Call, path: str = "/analysis") -> Any:
    return client.get(f"/api/v1/calls/{call.pk}{path}", headers=factories.bearer(call.developer))


def told(call: Call) -> list[dict[str, Any]]:
    hooks = WebhookDelivery.objects.filter(subject=f"call:{call.pk}", event_type__startswith="call.analysis")
    return [json.loads(hook.body) for hook in hooks]


def test_the_result_is_stored_told_and_charged_once(chat: FakeChat, client: Client) -> None:
    call = analysed_call()
    finish()
    found = shown(client, call, "").json()["data"]
    assert (found["analysis_result"], found["analysis_cost"], found["total_cost"]) == (RESULT, "0.01", "0.01")
    report = shown(client, call).json()["data"]
    assert (report["status"], report["source"], report["result"]) == ("ready", "openai:gpt-5.4-nano", RESULT)
    (hook,) = told(call)
    del hook["timestamp"]
    assert hook == {
        "event": "call.analysis.ready",
        "call_id": str(call.pk),
        "analysis": RESULT,
        "source": "openai:gpt-5.4-nano",
    }
    finish()
    analysis.run(Analysis.objects.get().pk)
    assert (len(chat.requests), len(told(call))) == (1, 1)
    assert ledger.balance(call.developer_id) == Decimal("9.99")
    assert list(check_calls()) == []


def test_the_model_is_shown_the_transcript_and_held_to_the_schema(chat: FakeChat) -> None:
    analysed_call()
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
def test_an_answer_that_does_not_fit_is_sent_back_once(chat: FakeChat, wrong: Any) -> None:
    call = analysed_call()
    chat.answers = [json.dumps(wrong), json.dumps({**RESULT, "budget": None, "summary": None})]
    finish()
    call.refresh_from_db()
    assert call.analysis_result == {**RESULT, "budget": None, "summary": None}
    again = chat.requests[1]["messages"]
    assert [message["role"] for message in again] == ["system", "user", "assistant", "user"]
    assert again[2]["content"] == json.dumps(wrong)
    assert "does not fit" in again[3]["content"]


@pytest.mark.parametrize("answer", ["no JSON", json.dumps({**RESULT, "budget": "much"}), ""])
def test_an_answer_that_never_fits_fails_with_the_reason_and_costs_nothing(
    chat: FakeChat, client: Client, answer: str
) -> None:
    call = analysed_call()
    chat.answers = [answer]
    finish()
    report = shown(client, call).json()["data"]
    assert (report["status"], report["result"], bool(report["reason"])) == ("failed", None, True)
    (hook,) = told(call)
    assert (hook["event"], hook["reason"]) == ("call.analysis.failed", report["reason"])
    assert CallEvent.objects.filter(call=call, event_type="analysis.failed").count() == 1
    assert ledger.balance(call.developer_id) == 10
    assert Call.objects.get(pk=call.pk).analysis_cost == 0


def test_a_provider_that_is_away_is_asked_again(chat: FakeChat, client: Client) -> None:
    call = analysed_call()
    chat.answers = [503, 429, json.dumps(RESULT)]
    finish()
    for _ in range(2):
        assert shown(client, call).json()["data"]["status"] == "pending"
        Analysis.objects.update(next_attempt_at=timezone.now())
        jobs.resume_all()
        run_jobs()
    assert shown(client, call).json()["data"]["status"] == "ready"


def test_a_worker_that_died_is_taken_over_from(chat: FakeChat, client: Client) -> None:
    call = analysed_call()
    sweeper.announce_transcripts(timezone.now())
    work = Analysis.objects.get()
    assert jobs.claim(Analysis, work.pk) is not None  # and then it dies
    run_jobs()
    assert chat.requests == []  # its claim still holds
    Analysis.objects.update(next_attempt_at=timezone.now())
    jobs.resume_all()
    run_jobs()
    assert shown(client, call).json()["data"]["status"] == "ready"


def test_where_nothing_was_said_no_model_is_asked(chat: FakeChat, client: Client) -> None:
    call = analysed_call(talk=[])
    finish()
    report = shown(client, call).json()["data"]
    empty = {"qualified_lead": False, "budget": None, "disposition": "not_interested", "summary": None}
    assert (report["status"], report["source"], report["result"]) == ("ready", "no_speech", empty)
    assert chat.requests == []


def test_calls_without_a_schema_or_an_answer_are_not_analysed(chat: FakeChat, client: Client) -> None:
    plain, unanswered = analysed_call(schema=None), analysed_call(status="failed", answered_at=None)
    running = analysed_call(status="answered", ended_at=None)
    finish()
    assert Analysis.objects.count() == 0
    assert [shown(client, call).status_code for call in (plain, unanswered, running)] == [404, 404, 409]
    assert ledger.balance(plain.developer_id) == 10


def test_a_demo_call_is_analysed_for_nothing_and_an_empty_account_not_at_all(chat: FakeChat, client: Client) -> None:
    demo, poor = analysed_call(demo=True, balance="0"), analysed_call(balance="0.009")
    finish()
    assert [shown(client, call).json()["data"]["status"] for call in (demo, poor)] == ["ready", "failed"]
    assert [ledger.balance(call.developer_id) for call in (demo, poor)] == [0, Decimal("0.009")]
    assert Call.objects.get(pk=poor.pk).analysis_result is None


def test_names_may_be_words_of_our_own(chat: FakeChat) -> None:
    schema = {
        name: {"type": "text", "description": "A word"} for name in ("model_config", "_private", "schema", "copy")
    }
    call = analysed_call(schema=schema)
    values = {name: f"{name}\x00!" for name in schema}
    chat.answers = [json.dumps(values)]
    finish()
    call.refresh_from_db()
    assert call.analysis_result == {name: f"{name}!" for name in schema}


# --- by rules ---------------------------------------------------------------------------------------------------------


def by_rules(schema: dict[str, Any], *talk: tuple[str, str]) -> dict[str, Any]:
    call = analysed_call(schema=schema, talk=list(talk))
    finish()
    work = Analysis.objects.get(call=call)
    assert (work.status, work.source) == ("ready", "offline_rules")
    call.refresh_from_db()
    result: dict[str, Any] = call.analysis_result
    return result


def field(kind: str, description: str, *options: str) -> dict[str, Any]:
    return {"type": kind, "description": description, **({"options": list(options)} if options else {})}


def test_rules_stand_in_where_there_is_no_model() -> None:
    result = by_rules(SCHEMA, *TALK)
    assert (result["qualified_lead"], result["budget"], result["disposition"]) == (True, 5000, "interested")
    assert result["summary"].startswith("I am interested in buying the enterprise plan.")


@pytest.mark.parametrize(
    ("said", "disposition", "lead"),
    [
        ("No thanks, I am not interested.", "not_interested", False),
        ("Could you call me back tomorrow?", "callback_requested", False),
        ("You have the wrong number.", "wrong_number", False),
        ("What is the weather like?", "not_interested", False),
    ],
)
def test_outcomes_by_rules(said: str, disposition: str, lead: bool) -> None:
    result = by_rules(SCHEMA, ("model", "Hello."), ("user", said))
    assert (result["disposition"], result["qualified_lead"], result["budget"]) == (disposition, lead, None)


def test_answers_to_questions_by_rules() -> None:
    schema = {
        "party_size": field("number", "For how many people"),
        "name": field("text", "The caller's name"),
        "email": field("text", "E-mail address, if given"),
        "newsletter": field("boolean", "Wants the newsletter"),
        "room": field("selector", "Where they want to sit", "inside", "terrace", "unknown"),
        "parking": field("boolean", "Asked about parking"),
    }
    result = by_rules(
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
