"""What the calls API refuses before anything is dialed or charged, and its filters."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from billing.models import LedgerEntry
from calls.control import session_messages
from calls.models import Call
from tests import factories
from tests.calls.rows import make_account, make_call, make_streaming_number

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def post(developer: Any, path: str, body: dict[str, Any]) -> Any:
    headers = factories.bearer(developer)
    return Client().post(f"/api/v1{path}", body, content_type="application/json", headers=headers)


def test_missing_variables_are_named_before_anything_is_charged() -> None:
    developer = make_account()
    number = make_streaming_number(developer, greeting_message="Greet {{customer_name}}.")
    answer = post(
        developer,
        "/calls",
        {"from": number.e164, "to": "+12025550123", "system_prompt": "{{service}} for {{customer_name}}"},
    )
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "message": "Missing required dynamic variables.",
            "errors": {"dynamic_variables": ["Missing variables: service, customer_name"]},
        },
    )
    assert not Call.objects.exists()
    assert LedgerEntry.objects.filter(developer=developer).count() == 1  # the credit


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"a": 5}, "dynamic_variables.a"),
        ({"a": None}, "dynamic_variables.a"),
        ({"a": "x" * 2001}, "dynamic_variables.a"),
        ({"1a": "x"}, "dynamic_variables.1a"),
        ("text", "dynamic_variables"),
    ],
)
def test_variables_must_be_strings_with_valid_names(variables: Any, field: str) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    body = {"from": number.e164, "to": "+12025550123", "dynamic_variables": variables}
    answer = post(developer, "/calls", body)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]


def test_context_is_refused_if_no_session_can_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_messages, "ANSWER_SECONDS", 0.2)
    developer = make_account()
    number = make_streaming_number(developer)
    running = make_call(number, BEGIN)
    ringing = make_call(number, BEGIN, status="ringing", answered_at=None)
    for call in (running, ringing):
        assert post(developer, f"/calls/{call.pk}/context", {"message": "Credited."}).status_code == 409
    stranger = make_account()
    assert post(stranger, f"/calls/{running.pk}/context", {"message": "Credited."}).status_code == 404
    for wrong in ({}, {"message": ""}, {"message": "x" * 2001}, {"message": 5}, {"message": "x", "extra": 1}):
        assert post(developer, f"/calls/{running.pk}/context", wrong).status_code == 422


def test_calls_are_filtered_by_agent_and_voicemail() -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    agent = factories.make_agent(developer=developer)
    by_agent = make_call(number, BEGIN, agent=agent)
    machine = make_call(number, BEGIN, voicemail_detected=True)

    def listed(query: str) -> list[int]:
        answer = Client().get(f"/api/v1/calls?{query}", headers=factories.bearer(developer))
        return [call["id"] for call in answer.json()["data"]]

    assert listed(f"agent_id={agent.pk}") == [by_agent.pk]
    assert listed("voicemail_detected=true") == [machine.pk]
    assert listed("voicemail_detected=false") == [by_agent.pk]
    assert listed("") == [machine.pk, by_agent.pk]
    dialed = {"direction": "outbound", "status": "completed", "ended_at": BEGIN}
    reached = make_call(number, BEGIN, **dialed)
    declined = make_call(number, BEGIN, **dialed, screened="declined")
    assert listed("outcome=person") == [reached.pk]
    assert listed("outcome=screened_declined") == [declined.pk]
    answer = Client().get("/api/v1/calls?outcome=lost", headers=factories.bearer(developer))
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["outcome"])
