"""The API's conventions as clients see them: lists, errors and limits, on real routes."""

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.test import Client
from django.utils import timezone
from rest_framework import serializers

from bubblyphone.core.api.error_responses import flatten_errors
from bubblyphone.core.api.views import StrictSerializer
from bubblyphone.core.network.http import client_address
from bubblyphone.core.redis.ratelimit import hit
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import bearer, make_api_key, make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def test_a_body_is_json_whatever_its_content_type(client: Client) -> None:
    headers = bearer(make_developer(), is_admin=True)
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"):
        response = client.post("/api/v1/api-keys", b'{"label":"X"}', content_type=content_type, headers=headers)
        assert (response.status_code, response.json()["data"]["label"]) == (201, "X")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", "The body must be a JSON object."),
        (b'"x"', "The body must be a JSON object."),
        (b"null", "The body must be a JSON object."),
        (b"label=x", "The body is not valid JSON"),
        (b'{"label":NaN}', "The body is not valid JSON"),
        (b"\xff\xfe", "The body is not valid JSON"),
        (b"[" * 100_000, "The body is not valid JSON"),
        (b'{"label":' * 65 + b"1" + b"}" * 65, "The body is nested more than 64 levels deep."),
        (b'{"label":' + b"[" * 950 + b"]" * 950 + b"}", "The body is nested more than 64 levels deep."),
        (b'{"label":"\\ud83d"}', "The body is not valid JSON"),
    ],
)
def test_other_bodies_are_422(client: Client, body: bytes, message: str) -> None:
    response = client.post(
        "/api/v1/api-keys", body, content_type="application/json", headers=bearer(make_developer(), is_admin=True)
    )
    assert response.status_code == 422
    (text,) = response.json()["errors"]["body"]
    assert text.startswith(message)


def test_a_body_over_1_mib_is_413(client: Client) -> None:
    headers = bearer(make_developer(), is_admin=True)
    response = client.post("/api/v1/api-keys", b"x" * (2**20 + 1), content_type="application/json", headers=headers)
    assert response.status_code == 413
    assert response.json() == {"message": "The request body is larger than 1 MiB."}
    assert response["X-RateLimit-Remaining"] == "99"


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("get", "/api/v1/no-such-thing", 404, "Not found."),
        ("get", "/api", 404, "Not found."),
        ("get", "/api/", 404, "Not found."),
        ("post", "/api/nowhere", 404, "Not found."),
        ("get", "/api/v1/", 404, "Not found."),
        ("delete", "/api/v1/api-keys/abc", 404, "Not found."),
        ("get", "/api/v1/calls/%00", 404, "Not found."),
        ("delete", "/api/v1/api-keys/99999999999999999999999", 404, "Not found."),
        ("put", "/api/v1/api-keys", 405, "Method not allowed."),
    ],
)
def test_every_error_is_json_and_counted(client: Client, method: str, path: str, status: int, message: str) -> None:
    response = getattr(client, method)(path, headers={**bearer(make_developer(), is_admin=True), "Accept": "text/html"})
    assert response.status_code == status
    assert response.json() == {"message": message}
    assert (response["X-RateLimit-Limit"], response["X-RateLimit-Remaining"]) == ("100", "99")
    assert response["X-Request-Id"]


def test_a_trailing_slash_is_allowed(client: Client) -> None:
    assert client.get("/api/v1/auth/me/", headers=bearer(make_developer(), is_admin=True)).status_code == 200


def test_request_ids_are_kept_or_generated(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"})["X-Request-Id"] == "abc-1.2_3"
    made = client.get("/healthz", headers={"X-Request-Id": "a b\u00e9"})["X-Request-Id"]
    assert len(made) == 32


def test_lists_can_be_paged_forward_and_backward(client: Client) -> None:
    developer = make_developer()
    ids = [make_api_key(developer, label=str(number))[0].pk for number in range(7)]
    headers = bearer(developer, is_admin=True)
    expected = sorted([*ids, max(ids) + 1], reverse=True)

    def page(url: str) -> Any:
        response = client.get(url, headers=headers)
        assert response.status_code == 200
        return response.json()

    first = page("/api/v1/api-keys?per_page=3")
    assert [row["id"] for row in first["data"]] == expected[:3]
    assert first["meta"] == {"per_page": 3, "next_cursor": first["meta"]["next_cursor"], "prev_cursor": None}
    assert first["links"]["prev"] is None
    cursor = first["meta"]["next_cursor"]
    assert first["links"]["next"] == f"http://testserver/api/v1/api-keys?cursor={cursor}&per_page=3"
    second = page(first["links"]["next"])
    third = page(second["links"]["next"])
    assert [row["id"] for row in second["data"] + third["data"]] == expected[3:]
    assert (third["meta"]["next_cursor"], third["links"]["next"]) == (None, None)
    back = page(third["links"]["prev"])
    assert back["data"] == second["data"]
    start = page(back["links"]["prev"])
    assert start["data"] == first["data"]
    assert start["meta"]["prev_cursor"] is None
    make_api_key(developer)
    assert page(first["links"]["next"])["data"] == second["data"]


def test_events_of_a_call_are_listed_by_time(client: Client) -> None:
    developer = make_account()
    call = make_call(make_streaming_number(developer), timezone.now())
    call.events.all().delete()
    # Like a carrier's reports: late, and two at the same time.
    for second, name in ((5, "e"), (1, "a"), (3, "c"), (3, "d"), (2, "b")):
        call.events.create(event_type=name, event_timestamp=timezone.now() + timedelta(seconds=second))
    headers = bearer(developer, is_admin=True)

    def page(query: str, status: int = 200) -> Any:
        response = client.get(f"/api/v1/calls/{call.pk}/events{query}", headers=headers)
        assert response.status_code == status
        return response.json()

    def names(answer: Any) -> str:
        return "".join(event["event_type"] for event in answer["data"])

    whole = page("")
    assert (names(whole), whole["meta"]) == ("abcde", {"per_page": 100, "next_cursor": None, "prev_cursor": None})
    pages = [page("?per_page=2")]
    while cursor := pages[-1]["meta"]["next_cursor"]:
        pages.append(page(f"?per_page=2&cursor={cursor}"))
    assert [names(page) for page in pages] == ["ab", "cd", "e"]
    assert names(page(f"?per_page=2&cursor={pages[-1]['meta']['prev_cursor']}")) == "cd"
    call.events.filter(event_type="d").delete()
    assert page(f"?cursor={pages[1]['meta']['next_cursor']}", 422)["errors"].keys() == {"cursor"}


@pytest.mark.parametrize(
    ("query", "field"),
    [("per_page=0", "per_page"), ("per_page=101", "per_page"), ("per_page=x", "per_page"), ("per_page=²", "per_page")]
    + [(f"cursor={text}", "cursor") for text in ("x", "", "é", "bjp4", "bjotMQ", "A" * 500, "%00")],
)
def test_invalid_list_parameters_are_422(client: Client, query: str, field: str) -> None:
    response = client.get(f"/api/v1/api-keys?{query}", headers=bearer(make_developer(), is_admin=True))
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]


def test_a_key_can_send_exactly_100_requests_per_minute(empty_redis: "redis.Redis") -> None:
    results: list[int] = []

    def send_requests() -> None:
        results.extend(hit("key:1", limit=100).remaining for _ in range(25))

    threads = [threading.Thread(target=send_requests) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = hit("key:1", limit=100)
    assert sorted(results) == [0] * 101 + list(range(1, 100))
    assert refused.is_exceeded
    assert 55 <= refused.retry_after <= 60
    assert hit("key:2", limit=100).remaining == 99


# Only the settings that the rate limit needs, so that a process starts quickly.
REQUESTS_CODE = """
import sys
from django.conf import settings
settings.configure(REDIS_URL=sys.argv[1])
from bubblyphone.core.redis.ratelimit import hit
print(sum(not hit("key:shared", limit=100).is_exceeded for _ in range(40)))
"""


def test_8_processes_share_one_key_s_limit_of_100(empty_redis: "redis.Redis", settings: Any) -> None:
    command = [sys.executable, "-c", REQUESTS_CODE, settings.REDIS_URL]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    passed = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(passed) == 100
    assert hit("key:shared", limit=100).is_exceeded


def test_a_window_slides() -> None:
    assert [hit("slide", limit=2, window_seconds=1).is_exceeded for _ in range(3)] == [False, False, True]
    assert hit("slide", limit=2, window_seconds=1).retry_after == 1
    threading.Event().wait(1.05)
    assert hit("slide", limit=2, window_seconds=1).remaining == 1


def test_requests_over_the_limit_are_429_and_anonymous_ones_count_by_address(client: Client, settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 3
    headers = bearer(make_developer(), is_admin=True)
    remaining = [client.get("/api/v1/auth/me", headers=headers)["X-RateLimit-Remaining"] for _ in range(3)]
    assert remaining == ["2", "1", "0"]
    refused = client.get("/api/v1/auth/me", headers=headers)
    assert refused.status_code == 429
    assert refused.json() == {"message": "Too many requests."}
    assert (refused["X-RateLimit-Limit"], refused["X-RateLimit-Remaining"]) == ("3", "0")
    assert 55 <= int(refused["Retry-After"]) <= 60
    wrong = [{"Authorization": f"Bearer bp_live_sk_{number}"} for number in range(4)]
    assert [client.get("/api/v1/auth/me", headers=headers).status_code for headers in wrong] == [401, 401, 401, 429]
    assert client.post("/api/v1/auth/login", {}, content_type="application/json").status_code == 429
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "1.1.1.1", "127.0.0.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "1.1.1.1", "1.1.1.1"),
        (1, "", "127.0.0.1"),
        (1, "1.1.1.1, a", "127.0.0.1"),
        (1, "1.1.1.1, \x00", "127.0.0.1"),
        (1, "2606:4700::1111", "2606:4700::1111"),
        (1, "fe80::1%eth0", "127.0.0.1"),
        (1, "9" * 5000, "127.0.0.1"),
        (1, ",,,", "127.0.0.1"),
    ],
)
def test_forwarded_addresses_are_trusted_as_configured(
    rf: Any, settings: Any, proxies: int, forwarded: str, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_address(rf.get("/", HTTP_X_FORWARDED_FOR=forwarded)) == address


def test_nested_errors_have_paths() -> None:
    class Tool(StrictSerializer):
        name = serializers.CharField()

    class Body(StrictSerializer):
        tools = Tool(many=True)
        words = serializers.ListField(child=serializers.IntegerField())

        def validate(self, attrs: Any) -> Any:
            raise serializers.ValidationError("The fields contradict each other.")

    body = Body(data={"tools": [{"name": "a"}, {"nam": "b"}], "words": [1, "x"], "extra": 1})
    assert not body.is_valid()
    assert flatten_errors(body.errors) == {
        "tools.1.name": ["This field is required."],
        "tools.1.nam": ["Unknown field."],
        "words.1": ["A valid integer is required."],
        "extra": ["Unknown field."],
    }
    body = Body(data={"tools": [], "words": []})
    assert not body.is_valid()
    assert flatten_errors(body.errors) == {"body": ["The fields contradict each other."]}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/api-keys", "GET, POST, HEAD, OPTIONS"),
        ("/api/v1/api-keys/1", "PATCH, DELETE, OPTIONS"),
        ("/api/v1/auth/login", "POST, OPTIONS"),
    ],
)
def test_options_lists_the_methods_without_credentials(client: Client, path: str, allowed: str) -> None:
    response = client.options(path)
    assert (response.status_code, response["Allow"], response.content) == (204, allowed, b"")
    assert response["X-RateLimit-Limit"] == "100"


def test_head_is_get_without_a_body(client: Client) -> None:
    headers = bearer(make_developer(), is_admin=True)
    response = client.head("/api/v1/auth/me", headers=headers)
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Length"] == client.get("/api/v1/auth/me", headers=headers)["Content-Length"]


def test_no_other_origin_is_allowed_by_default(client: Client) -> None:
    asking = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    assert not client.options("/api/v1/calls", headers=asking).has_header("Access-Control-Allow-Origin")
    me = client.get(
        "/api/v1/auth/me", headers={**bearer(make_developer(), is_admin=True), "Origin": "https://app.example.com"}
    )
    assert me.status_code == 200
    assert not me.has_header("Access-Control-Allow-Origin")


def test_configured_origins_can_call_the_api_and_nothing_else(client: Client, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    asking = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/api/v1/calls", headers=asking)
    assert preflight.status_code == 200
    assert preflight["Access-Control-Allow-Origin"] == "https://app.example.com"
    allowed = preflight["Access-Control-Allow-Headers"]
    assert allowed == "authorization, content-type, idempotency-key, x-request-id"
    assert not preflight.has_header("Access-Control-Allow-Credentials")
    # The page's script can also read errors.
    refused = client.get("/api/v1/auth/me", headers={"Origin": "https://app.example.com"})
    assert (refused.status_code, refused["Access-Control-Allow-Origin"]) == (401, "https://app.example.com")
    assert "X-RateLimit-Remaining" in refused["Access-Control-Expose-Headers"]
    assert not client.get("/login", headers=asking).has_header("Access-Control-Allow-Origin")
    elsewhere = {**asking, "Origin": "https://evil.example"}
    assert not client.options("/api/v1/calls", headers=elsewhere).has_header("Access-Control-Allow-Origin")
