"""An unreadable body is refused even by routes that take none, and has no effect."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import ApiKey, Developer
from agents.models import Agent
from tests.factories import bearer, make_agent, make_api_key, make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
UNREADABLE = [
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 10_000,
    b'{"a":' * 65 + b"1" + b"}" * 65,
    b'{"a":"\\ud83d"}',
    b'{"a":"\\u0000"}',
    b"{} {}",
    b"a=1",
]


@pytest.fixture
def developer() -> Developer:
    return make_developer()


def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
    return Client().generic(method, f"/api/v1{path}", body, content_type="application/json", headers=headers)


@pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: str(body[:20]))
def test_deletions(developer: Developer, body: bytes) -> None:
    headers = bearer(developer, is_admin=True)
    agent, (key, _) = make_agent(developer=developer), make_api_key(developer)
    for path, rows in ((f"/agents/{agent.pk}", Agent.objects), (f"/api-keys/{key.pk}", ApiKey.objects)):
        before = rows.count()
        refused = send("DELETE", path, body, headers)
        (name,) = refused.json()["errors"]
        assert (refused.status_code, name.partition(".")[0]) == (422, "a" if b"u0000" in body else "body")
        assert rows.count() == before


def test_routes_without_a_body_accept_an_empty_one_but_no_fields(developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    for body in (b"", b"{}"):
        agent = make_agent(developer=developer)
        refused = send("DELETE", f"/agents/{agent.pk}", b'{"a":[1]}', headers)
        assert (refused.status_code, refused.json()["errors"]) == (422, {"a": ["Unknown field."]})
        assert Agent.objects.exists()
        assert send("DELETE", f"/agents/{agent.pk}", body, headers).status_code < 300, body
        assert not Agent.objects.exists()


def test_read_only_requests_can_have_any_body(developer: Developer) -> None:
    assert send("GET", "/agents", b"{", bearer(developer)).status_code == 200
    assert send("HEAD", "/agents", b"{", bearer(developer)).status_code == 200


def test_the_body_is_checked_last(developer: Developer) -> None:
    agent = make_agent(developer=developer)
    assert send("DELETE", f"/agents/{agent.pk}", b"{", {}).status_code == 401
    assert send("POST", f"/agents/{agent.pk}", b"{", bearer(developer)).status_code == 405
    assert send("POST", "/api-keys", b"{", bearer(developer)).status_code == 403  # not an admin key
