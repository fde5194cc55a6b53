"""POST /model-keys/{id}/test against servers that respond like the providers."""

from typing import Any

import pytest

from agents.services import create_model_key
from tests.factories import bearer, make_developer
from tests.fakes.recording_server import Answer, RecordingServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
SECRETS = {"openai": "sk-proj-abc123r4nk", "google": "AIzaSyA-0123456789"}
NAMES = {"openai": "OpenAI", "google": "Google"}


def ask(client: Any, settings: Any, provider: str, url: str, body: Any = None) -> Any:
    suffix = "/v1" if provider == "openai" else ""
    entry = settings.MODEL_PROVIDERS[provider]
    options = entry["OPTIONS"] | {"base_url": f"{url}{suffix}"}
    settings.MODEL_PROVIDERS = settings.MODEL_PROVIDERS | {provider: entry | {"OPTIONS": options}}
    developer = make_developer()
    key = create_model_key(developer=developer, provider=provider, api_key=SECRETS[provider])
    path = f"/api/v1/model-keys/{key.pk}/test"
    return client.post(path, body, content_type="application/json", headers=bearer(developer))


@pytest.mark.parametrize(
    ("provider", "path", "header", "value"),
    [
        ("openai", "/v1/models", "authorization", "Bearer sk-proj-abc123r4nk"),
        ("google", "/v1beta/models?pageSize=1", "x-goog-api-key", "AIzaSyA-0123456789"),
    ],
)
def test_a_valid_key(client: Any, settings: Any, provider: str, path: str, header: str, value: str) -> None:
    with RecordingServer([Answer(200, b'{"data":[]}')]) as server:
        response = ask(client, settings, provider, server.url)
    assert response.status_code == 200
    assert response.json() == {"data": {"ok": True, "message": f"{NAMES[provider]} accepts this key."}}
    (request,) = server.requests
    assert (request.method, request.path) == ("GET", path)
    assert {name.lower(): text for name, text in request.headers.items()}[header] == value


@pytest.mark.parametrize(
    ("provider", "status", "text"),
    [
        ("openai", 401, "OpenAI rejected this key."),
        ("openai", 403, "OpenAI rejected this key."),
        ("google", 400, "Google rejected this key."),
        ("openai", 429, "OpenAI accepts this key, but its quota or rate limit is exceeded."),
    ],
)
def test_a_rejected_key(client: Any, settings: Any, provider: str, status: int, text: str) -> None:
    body = f'{{"error":{{"message":"Incorrect API key provided: {SECRETS[provider]}"}}}}'.encode()
    with RecordingServer([Answer(status, body)]) as server:
        response = ask(client, settings, provider, server.url)
    assert response.status_code == 200
    assert response.json() == {"data": {"ok": False, "message": text}}


@pytest.mark.parametrize(
    ("provider", "status", "text"),
    [
        ("openai", 500, "OpenAI responded with status 500. Try again later."),
        ("openai", 400, "OpenAI responded with status 400. Try again later."),
        ("google", 302, "Google responded with status 302. Try again later."),
        ("google", None, "Google could not be reached."),
    ],
)
def test_an_inconclusive_response(client: Any, settings: Any, provider: str, status: int | None, text: str) -> None:
    with RecordingServer([Answer(status)]) as server:
        response = ask(client, settings, provider, server.url)
    assert (response.status_code, response.json()) == (502, {"message": text})


def test_an_unreachable_provider(client: Any, settings: Any) -> None:
    response = ask(client, settings, "openai", "http://127.0.0.1:9")
    assert (response.status_code, response.json()) == (502, {"message": "OpenAI could not be reached."})


def test_another_account_s_key_is_not_found(client: Any) -> None:
    key = create_model_key(developer=make_developer(), provider="openai", api_key=SECRETS["openai"])
    stranger = bearer(make_developer())
    foreign, missing = (
        client.generic("POST", f"/api/v1/model-keys/{pk}/test", headers=stranger) for pk in (key.pk, 999999)
    )
    assert (
        (foreign.status_code, foreign.json())
        == (missing.status_code, missing.json())
        == (404, {"message": "Not found."})
    )
    assert client.post(f"/api/v1/model-keys/{key.pk}/test").status_code == 401


def test_the_body_takes_no_fields(client: Any, settings: Any) -> None:
    response = ask(client, settings, "openai", "http://127.0.0.1:9", {"api_key": "x"})
    assert (response.status_code, response.json()["errors"]) == (422, {"api_key": ["Unknown field."]})
