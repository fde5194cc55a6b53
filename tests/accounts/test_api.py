"""Registration, sign-in and API keys over HTTP, with exact response shapes."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Developer, SessionToken
from tests.factories import bearer, make_api_key, make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

JANE = {
    "name": "Jane",
    "email": "Jane@Example.com",
    "password": "secret123",
    "password_confirmation": "secret123",
}


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def test_registering_returns_the_documented_shape_and_a_working_token(client: Client) -> None:
    response = post(client, "auth/register", JANE)
    assert response.status_code == 201
    developer = Developer.objects.get()
    token = response.json()["token"]
    assert response.json() == {
        "data": {"id": developer.pk, "name": "Jane", "email": "jane@example.com"},
        "token": token,
    }
    assert re.fullmatch(r"\d+\|[\w-]{40}", token)
    assert developer.password != "secret123"
    assert developer.check_password("secret123")
    assert token.partition("|")[2] not in SessionToken.objects.get().secret_hash
    me = client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json() == {
        "data": {
            "id": developer.pk,
            "name": "Jane",
            "email": "jane@example.com",
            "email_verified": False,
            "company_name": None,
            "created_at": developer.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    }


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"email": "no"}, {"email": ["Enter a valid email address."]}),
        ({"password": "1234567"}, {"password": ["Ensure this field has at least 8 characters."]}),
        ({"password": "x" * 129}, {"password": ["Ensure this field has no more than 128 characters."]}),
        ({"password_confirmation": "secret124"}, {"password_confirmation": ["Must match the password."]}),
        ({"name": ""}, {"name": ["This field may not be blank."]}),
        ({"compny_name": "x"}, {"compny_name": ["Unknown field."]}),
        ({"name": "a\x00b"}, {"name": ["Null characters are not allowed."]}),
    ],
)
def test_invalid_registrations_are_refused(
    client: Client, changes: dict[str, str], errors: dict[str, list[str]]
) -> None:
    response = post(client, "auth/register", {**JANE, **changes})
    assert response.status_code == 422
    assert response.json() == {"message": "The given data was invalid.", "errors": errors}
    assert not Developer.objects.exists()


def test_registering_lists_every_missing_field(client: Client) -> None:
    response = post(client, "auth/register", {})
    required = ["This field is required."]
    assert response.json()["errors"] == dict.fromkeys(JANE, required)


def test_email_addresses_are_unique_regardless_of_case(client: Client) -> None:
    make_developer(email="jane@example.com")
    response = post(client, "auth/register", {**JANE, "email": "JANE@example.COM"})
    assert response.status_code == 422
    assert response.json()["errors"] == {"email": ["The email has already been taken."]}


def test_passwords_keep_their_spaces(client: Client) -> None:
    post(client, "auth/register", {**JANE, "password": "  spaced  ", "password_confirmation": "  spaced  "})
    assert post(client, "auth/login", {"email": "jane@example.com", "password": "spaced"}).status_code == 401
    assert post(client, "auth/login", {"email": "jane@example.com", "password": "  spaced  "}).status_code == 200


def test_login_and_logout(client: Client) -> None:
    developer = make_developer(email="jane@example.com")
    response = post(client, "auth/login", {"email": "JANE@example.com", "password": "secret123"})
    assert response.status_code == 200
    token = response.json()["token"]
    assert response.json()["data"] == {"id": developer.pk, "name": "Jane", "email": "jane@example.com"}
    logout = post(client, "auth/logout", Authorization=f"Bearer {token}")
    assert (logout.status_code, logout.content) == (204, b"")
    assert client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize("email", ["jane@example.com", "nobody@example.com"])
def test_a_failed_login_is_401_and_does_not_say_why(client: Client, email: str) -> None:
    make_developer(email="jane@example.com")
    response = post(client, "auth/login", {"email": email, "password": "secret124"})
    assert response.status_code == 401
    assert response.json() == {"message": "Wrong email or password."}


def test_an_account_under_attack_is_locked_for_a_while(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 1000
    make_developer(email="jane@example.com")
    wrong = {"email": "jane@example.com", "password": "secret124"}
    assert {post(client, "auth/login", wrong).status_code for _ in range(20)} == {401}
    response = post(client, "auth/login", {**wrong, "password": "secret123"})
    assert response.status_code == 429
    assert 3500 < int(response["Retry-After"]) <= 3600


def test_a_key_cannot_log_out(client: Client) -> None:
    response = post(client, "auth/logout", **bearer(make_developer(), is_admin=True))
    assert response.status_code == 403
    message = "An API key cannot log out. To revoke it, use DELETE /api/v1/api-keys/{id}."
    assert response.json() == {"message": message, "reason": "forbidden"}


def test_keys_are_shown_once_then_listed_and_revoked(client: Client) -> None:
    developer = make_developer()
    headers = bearer(developer, is_admin=True)
    created = post(client, "api-keys", {"label": "Production"}, **headers)
    assert created.status_code == 201
    key = ApiKey.objects.get(label="Production")
    plaintext = created.json()["data"]["key"]
    moment = key.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert re.fullmatch(r"bp_live_sk_[\w-]{40}", plaintext)
    assert created.json() == {
        "data": {"id": key.pk, "label": "Production", "admin": False, "key": plaintext, "created_at": moment},
    }
    listed = client.get("/api/v1/api-keys", headers=headers)
    assert listed.json()["data"][0] == {
        "id": key.pk,
        "label": "Production",
        "admin": False,
        "hint": f"bp_live_sk_…{plaintext[-4:]}",
        "daily_cap": None,
        "created_at": moment,
        "last_used_at": None,
    }
    assert plaintext not in listed.content.decode()
    assert post(client, "api-keys", **headers).json()["data"]["label"] == "Default"
    assert client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {plaintext}"}).status_code == 200
    response = client.delete(f"/api/v1/api-keys/{key.pk}", headers=headers)
    assert (response.status_code, response.content) == (204, b"")
    assert client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {plaintext}"}).status_code == 401
    assert client.delete(f"/api/v1/api-keys/{key.pk}", headers=headers).status_code == 404


def test_another_account_s_key_is_not_found(client: Client) -> None:
    foreign, _ = make_api_key()
    headers = bearer(make_developer(), is_admin=True)
    answers = [client.delete(f"/api/v1/api-keys/{pk}", headers=headers) for pk in (foreign.pk, 10**15)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content == b'{"message":"Not found."}'
    foreign.refresh_from_db()
    assert foreign.revoked_at is None


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer", "Bearer bp_live_sk_wrong", "Bearer 1|x", "Basic abc", "Bearer 99999999999999999999|" + "x" * 40],
)
def test_requests_without_a_valid_credential_get_401(client: Client, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = client.get("/api/v1/auth/me", headers=headers)
    assert response.status_code == 401
    assert response.json() == {"message": "Unauthenticated."}
    assert response["WWW-Authenticate"] == "Bearer"


def test_an_expired_session_and_a_closed_account_get_401(client: Client) -> None:
    developer = make_developer(email="jane@example.com")
    token = post(client, "auth/login", {"email": "jane@example.com", "password": "secret123"}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/auth/me", headers=headers).status_code == 200
    SessionToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get("/api/v1/auth/me", headers=headers).status_code == 401
    key = bearer(developer, is_admin=True)
    Developer.objects.update(is_active=False)
    assert client.get("/api/v1/auth/me", headers=key).status_code == 401


def test_last_use_is_recorded_once_a_minute(client: Client) -> None:
    key, plaintext = make_api_key()
    headers = {"Authorization": f"Bearer {plaintext}"}
    client.get("/api/v1/auth/me", headers=headers)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    client.get("/api/v1/auth/me", headers=headers)
    key.refresh_from_db()
    assert key.last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    client.get("/api/v1/auth/me", headers=headers)
    key.refresh_from_db()
    assert key.last_used_at > first
