"""`Idempotency-Key` on POSTs: one effect and one response, however quickly requests are repeated."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts import housekeeping
from accounts.idempotency import claim_key, fingerprint_of, settle
from accounts.models import ApiKey, Developer, IdempotentAnswer, SessionToken
from agents.models import Agent
from tests.factories import bearer, make_developer
from tests.long_runs import how_many
from tests.repeats import post_repeatedly

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

IN_PROGRESS = {"message": "A request with this Idempotency-Key is still in progress."}


@pytest.fixture
def developer() -> Developer:
    return make_developer()


def post(client: Client, path: str, body: Any, key: str, headers: dict[str, str] | None = None) -> Any:
    headers = {**(headers or {}), "Idempotency-Key": key}
    return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)


def refusal(text: str) -> dict[str, Any]:
    return {"message": "The given data was invalid.", "errors": {"Idempotency-Key": [text]}}


def test_a_repeat_gets_the_first_response_and_has_no_effect(client: Client, developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    first = post(client, "api-keys", {"label": "Once"}, "k1", headers)
    again = post(client, "api-keys", {"label": "Once"}, "k1", headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == first["Content-Type"] == "application/json"
    assert again["X-RateLimit-Remaining"] == "98"
    assert ApiKey.objects.filter(label="Once").count() == 1
    other = post(client, "api-keys", {"label": "Once"}, "k2", headers)
    assert other.json()["data"]["id"] != first.json()["data"]["id"]


def test_responses_are_stored_encrypted(client: Client, developer: Developer) -> None:
    secret = post(client, "api-keys", {}, "k1", bearer(developer, is_admin=True)).json()["data"]["key"]
    stored = IdempotentAnswer.objects.get()
    assert (stored.scope, stored.status) == (f"developer:{developer.pk}", 201)
    assert secret not in stored.encrypted_body
    assert "data" not in stored.encrypted_body


def test_the_same_key_with_another_body_or_path_is_422(client: Client, developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    post(client, "api-keys", {"label": "A"}, "k1", headers)
    for path, body in [("api-keys", {"label": "B"}), ("agents", {"label": "A"}), ("api-keys?x=1", {"label": "A"})]:
        response = post(client, path, body, "k1", headers)
        assert response.status_code == 422
        assert response.json() == refusal("This key was already used for a different request.")
    assert sorted(ApiKey.objects.values_list("label", flat=True)) == ["A", "Test"]
    assert not Agent.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
def test_keys_have_limited_length_and_characters(client: Client, developer: Developer, key: str) -> None:
    response = post(client, "api-keys", {}, key, bearer(developer, is_admin=True))
    assert response.status_code == 422
    assert response.json() == refusal("Must be 1 to 255 printable ASCII characters.")
    assert post(client, "api-keys", {}, "x" * 255, bearer(developer, is_admin=True)).status_code == 201


def test_each_account_has_its_own_keys(client: Client, developer: Developer) -> None:
    for account in (developer, make_developer()):
        response = post(client, "api-keys", {"label": f"of {account.pk}"}, "same", bearer(account, is_admin=True))
        assert response.status_code == 201
        assert "Idempotency-Replayed" not in response.headers
    # Another credential of the same account shares its keys.
    again = post(client, "api-keys", {"label": f"of {developer.pk}"}, "same", bearer(developer, is_admin=True))
    assert again["Idempotency-Replayed"] == "true"


def test_a_refused_request_is_stored(client: Client, developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    first = post(client, "api-keys", {"lable": "x"}, "k1", headers)
    again = post(client, "api-keys", {"lable": "x"}, "k1", headers)
    assert (first.status_code, again.status_code, again.content) == (422, 422, first.content)
    assert again["Idempotency-Replayed"] == "true"


def test_401_and_429_and_unknown_routes_free_the_key(client: Client, developer: Developer, settings: Any) -> None:
    wrong = {"Authorization": "Bearer bp_live_sk_wrong"}
    assert post(client, "api-keys", {}, "k1", wrong).status_code == 401
    assert post(client, "no-such-thing", {}, "k1", bearer(developer, is_admin=True)).status_code == 404
    settings.RATE_LIMIT_PER_MINUTE = 1
    headers = bearer(developer, is_admin=True)
    client.get("/api/v1/auth/me", headers=headers)
    assert post(client, "api-keys", {}, "k1", headers).status_code == 429
    assert not IdempotentAnswer.objects.exists()
    settings.RATE_LIMIT_PER_MINUTE = 100
    assert post(client, "api-keys", {}, "k1", headers).status_code == 201


def test_only_posts_accept_keys(client: Client, developer: Developer) -> None:
    headers = {**bearer(developer, is_admin=True), "Idempotency-Key": "x" * 300}
    assert client.get("/api/v1/auth/me", headers=headers).status_code == 200
    assert not IdempotentAnswer.objects.exists()


def test_a_logout_is_replayed_as_204_without_a_body(client: Client, developer: Developer) -> None:
    key = bearer(developer, is_admin=True)
    first = post(client, "auth/logout-all", {}, "out", key)
    again = post(client, "auth/logout-all", {}, "out", key)
    assert (first.status_code, again.status_code, again.content) == (204, 204, b"")
    assert again["Idempotency-Replayed"] == "true"


def test_register_is_keyed_by_client_address(client: Client, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    body = {"name": "J", "email": "j@example.com", "password": "secret123", "password_confirmation": "secret123"}
    first = post(client, "auth/register", body, "k1", {"X-Forwarded-For": "192.0.2.1"})
    again = post(client, "auth/register", body, "k1", {"X-Forwarded-For": "192.0.2.1"})
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert SessionToken.objects.count() == 1
    elsewhere = post(client, "auth/register", body, "k1", {"X-Forwarded-For": "192.0.2.2"})
    assert (elsewhere.status_code, elsewhere.json()["errors"]) == (
        422,
        {"email": ["The email has already been taken."]},
    )


def test_a_key_in_flight_is_409_until_its_lease_ends(client: Client, developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    post(client, "api-keys", {}, "k1", headers)
    # The state that a process leaves if it dies before responding.
    IdempotentAnswer.objects.update(status=None, encrypted_body="", created_at=timezone.now() - timedelta(seconds=58))
    response = post(client, "api-keys", {}, "k1", headers)
    assert (response.status_code, response.json(), response["Retry-After"]) == (409, IN_PROGRESS, "1")
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    assert post(client, "api-keys", {"label": "B"}, "k1", headers).status_code == 422
    taken_over = post(client, "api-keys", {}, "k1", headers)
    assert taken_over.status_code == 201
    assert post(client, "api-keys", {}, "k1", headers).content == taken_over.content


def test_an_overtaken_request_does_not_overwrite_the_response(rf: Any) -> None:
    late = claim_key(scope="s", key="k", fingerprint="f")
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(seconds=61))
    quick = claim_key(scope="s", key="k", fingerprint="f")
    assert late.pk == quick.pk
    for claim, status in ((quick, 201), (late, 422), (late, 500)):
        settle(claim, type("Answer", (), {"status_code": status, "content": str(status).encode()})())
    stored = claim_key(scope="s", key="k", fingerprint="f")
    assert (stored.status, stored.body) == (201, "201")


def test_keys_expire_after_a_day_and_old_responses_are_deleted(client: Client, developer: Developer) -> None:
    headers = bearer(developer, is_admin=True)
    first = post(client, "api-keys", {}, "k1", headers).json()
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    housekeeping.purge()
    assert post(client, "api-keys", {}, "k1", headers).json() == first
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert post(client, "api-keys", {"label": "other body"}, "k1", headers).json() != first
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    housekeeping.purge()
    assert not IdempotentAnswer.objects.exists()


def test_multipart_bodies_are_compared_by_content(rf: Any) -> None:
    def fingerprint(text: str, content: bytes) -> str:
        request = rf.post("/x", {"a": text, "f": SimpleUploadedFile("f.pdf", content)})
        # Django's test client always uses the same boundary.
        mark = uuid.uuid4().hex
        body = request.body.replace(b"BoUnDaRyStRiNg", mark.encode())
        kind = request.content_type + f"; boundary={mark}"
        again = rf.generic("POST", "/x", body, content_type=kind)
        found = fingerprint_of(again, is_form=True)
        assert again.FILES["f"].read() == content
        return found

    first = fingerprint("1", b"%PDF")
    assert fingerprint("1", b"%PDF") == first
    assert fingerprint("2", b"%PDF") != first
    assert fingerprint("1", b"%PDG") != first


@pytest.mark.django_db(transaction=True)
def test_concurrent_posts_have_one_effect_per_key(live_server: Any, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 100_000
    keys = how_many(16, long=40)
    bodies = {f"k{number}": {"label": f"key {number}"} for number in range(keys)}
    answers = post_repeatedly(
        live_server.url, "/api/v1/api-keys", bearer(make_developer(), is_admin=True), bodies, threads=40, together=8
    )
    assert {key: len(found) for key, found in answers.items()} == dict.fromkeys(bodies, 5)
    assert {len(set(found)) for found in answers.values()} == {1}
    assert {found[0][0] for found in answers.values()} == {201}
    ids = {json.loads(found[0][1])["data"]["id"] for found in answers.values()}
    made = ApiKey.objects.filter(label__startswith="key ")
    assert (len(ids), set(made.values_list("pk", flat=True))) == (keys, ids)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_form_is_refused_where_json_is_expected(
    client: Client, developer: Developer, headers: dict[str, str]
) -> None:
    headers = {**headers, **bearer(developer, is_admin=True)}
    response = client.post("/api/v1/api-keys", {"label": "X"}, headers=headers)
    assert (response.status_code, list(response.json()["errors"])) == (422, ["body"])
    large = client.post("/api/v1/api-keys", {"label": "X" * 2**20}, headers={**headers, "Idempotency-Key": "other"})
    assert large.status_code == 413
    assert not ApiKey.objects.filter(label="Default").exists()
