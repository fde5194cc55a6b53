"""A standard API key cannot change its own limits: keys, caps, sessions. An admin key can. Only a session token creates admin keys."""

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import ApiKey, BrowserSession, Developer, SessionToken
from accounts.services import open_session
from billing.models import SpendingCap
from tests.factories import bearer, make_agent, make_api_key, make_developer, make_phone_number

pytestmark = pytest.mark.django_db
REFUSAL = {
    "message": "This API key cannot do that. Use an admin key or a session token.",
    "reason": "admin_key_required",
}


def send(headers: dict[str, str], method: str, path: str, body: Any = None) -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    return Client().generic(method, f"/api/v1{path}", content, headers=headers)


def session_of(developer: Developer) -> dict[str, str]:
    return {"Authorization": f"Bearer {open_session(developer=developer)}"}


def protected(developer: Developer) -> list[tuple[str, str, Any, int]]:
    """Requests that change an account's protections, with the status that admin keys and session tokens get."""
    other, _ = make_api_key(developer, label="Other")
    doomed, _ = make_api_key(developer, label="Doomed")
    number = make_phone_number(developer=developer, daily_cap=Decimal(5), max_concurrent_calls=2)
    agent = make_agent(developer=developer, daily_cap=Decimal(5))
    return [
        ("POST", "/api-keys", {"label": "New"}, 201),
        ("POST", "/api-keys", {}, 201),
        ("PATCH", f"/api-keys/{other.pk}", {"daily_cap": None}, 200),
        ("PATCH", f"/api-keys/{other.pk}", {"label": "Renamed"}, 200),
        ("DELETE", f"/api-keys/{doomed.pk}", None, 204),
        ("PUT", "/billing/caps", {"daily_cap": "20"}, 200),
        ("PUT", "/billing/caps", {"max_concurrent_calls": 7}, 200),
        ("PUT", "/billing/caps", {"max_calls_per_caller_per_hour": 7}, 200),
        ("PATCH", f"/phone-numbers/{number.pk}", {"daily_cap": "9"}, 200),
        ("PATCH", f"/phone-numbers/{number.pk}", {"daily_cap": None, "label": "x"}, 200),
        ("PATCH", f"/phone-numbers/{number.pk}", {"max_concurrent_calls": None}, 200),
        ("PATCH", f"/agents/{agent.pk}", {"daily_cap": None}, 200),
        ("POST", "/agents", {"name": "New", "daily_cap": "1"}, 201),
        ("POST", "/auth/logout-all", None, 204),
    ]


def state_of(developer: Developer) -> Any:
    return (
        list(
            ApiKey.objects.filter(developer=developer).order_by("pk").values("pk", "label", "daily_cap", "revoked_at")
        ),
        list(SpendingCap.objects.filter(developer=developer).values()),
        list(developer.phone_numbers.values("daily_cap", "max_concurrent_calls", "label")),
        list(developer.agents.values("name", "daily_cap")),
        SessionToken.objects.filter(developer=developer).count(),
        BrowserSession.objects.filter(developer=developer).count(),
        Developer.objects.get(pk=developer.pk).session_generation,
    )


def test_a_standard_key_cannot_change_protections() -> None:
    developer = make_developer()
    key = bearer(developer)
    requests = protected(developer)
    session_of(developer)
    before = state_of(developer)
    for method, path, body, _ in requests:
        answer = send(key, method, path, body)
        assert (method, path, answer.status_code, answer.json()) == (method, path, 403, REFUSAL)
        assert state_of(developer) == before


@pytest.mark.parametrize("kind", ["admin key", "session token"])
def test_an_admin_key_and_a_session_token_can_change_protections(kind: str) -> None:
    developer = make_developer()
    headers = bearer(developer, is_admin=True) if kind == "admin key" else session_of(developer)
    for method, path, body, status in protected(developer):
        assert (path, send(headers, method, path, body).status_code) == (path, status)


def test_only_a_session_token_creates_an_admin_key() -> None:
    developer = make_developer()
    for is_admin in (False, True):
        answer = send(bearer(developer, is_admin=is_admin), "POST", "/api-keys", {"admin": True})
        assert (answer.status_code, answer.json()["reason"]) == (403, "admin_key_required")
    assert not ApiKey.objects.filter(developer=developer, label="Default").exists()
    made = send(session_of(developer), "POST", "/api-keys", {"label": "Ops", "admin": True, "daily_cap": "5"})
    assert (made.status_code, made.json()["data"]["admin"]) == (201, True)
    key = {"Authorization": f"Bearer {made.json()['data']['key']}"}
    child = send(key, "POST", "/api-keys", {"label": "Child"})
    assert (child.status_code, child.json()["data"]["admin"]) == (201, False)
    listed = {row["label"]: (row["admin"], row["daily_cap"]) for row in send(key, "GET", "/api-keys").json()["data"]}
    assert (listed["Ops"], listed["Child"]) == ((True, "5.00"), (False, None))


@pytest.mark.parametrize("is_admin", [False, True])
def test_no_key_becomes_an_admin_key_later(is_admin: bool) -> None:
    developer = make_developer()
    key, _plaintext = make_api_key(developer, is_admin=is_admin)
    headers = session_of(developer)
    for value in (True, False):
        answer = send(headers, "PATCH", f"/api-keys/{key.pk}", {"admin": value})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["admin"])
    key.refresh_from_db()
    assert key.is_admin is is_admin


def test_what_a_standard_key_can_still_do() -> None:
    developer = make_developer()
    key = bearer(developer)
    number = make_phone_number(developer=developer, daily_cap=Decimal(5))
    agent = make_agent(developer=developer, daily_cap=Decimal(5))
    for method, path, body, status in (
        ("GET", "/api-keys", None, 200),
        ("GET", "/billing/caps", None, 200),
        ("PATCH", f"/phone-numbers/{number.pk}", {"label": "x", "daily_cap": "5.00"}, 200),  # unchanged
        ("PATCH", f"/agents/{agent.pk}", {"name": "x"}, 200),
        ("POST", "/agents", {"name": "y", "daily_cap": None}, 201),
        ("POST", "/model-keys", {"provider": "openai", "api_key": "sk-proj-abc123"}, 201),
        ("POST", f"/phone-numbers/{number.pk}/rotate-secret", None, 200),
    ):
        assert (path, send(key, method, path, body).status_code) == (path, status)


def test_a_standard_key_does_not_get_a_session_s_stored_response() -> None:
    developer = make_developer()
    repeat = {"Idempotency-Key": "make-key"}
    made = send(session_of(developer) | repeat, "POST", "/api-keys", {"label": "Ops", "admin": True})
    assert made.status_code == 201
    assert send(bearer(developer) | repeat, "POST", "/api-keys", {"label": "Ops", "admin": True}).status_code == 403
    again = send(session_of(developer) | repeat, "POST", "/api-keys", {"label": "Ops", "admin": True})
    assert (again.json(), again["Idempotency-Replayed"]) == (made.json(), "true")


def test_the_page_creates_and_shows_admin_keys() -> None:
    developer = make_developer()
    make_api_key(developer, label="Server")
    client = Client()
    client.force_login(developer)
    client.post("/api-keys", {"label": "Ops", "is_admin": "on"})
    client.post("/api-keys", {"label": "Plain"})
    assert dict(ApiKey.objects.values_list("label", "is_admin")) == {"Server": False, "Ops": True, "Plain": False}
    assert client.get("/api-keys").content.decode().count(">Admin</span>") == 1
