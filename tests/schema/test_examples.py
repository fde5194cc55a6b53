"""Sends the documented example of each operation: it is accepted, and the response has the documented shape."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey
from accounts.passwords import make_token
from calls.models import DoNotCallNumber
from tests.described import check_against
from tests.factories import make_developer
from tests.schema.conftest import World
from tests.schema.test_document import operations

# These need a live conversation. Without one, they return the documented 409. tests/flows has the rest.
NEED_A_LIVE_CALL = {
    "POST /api/v1/calls/{id}/context",
    "POST /api/v1/calls/{id}/speak",
    "POST /api/v1/calls/{id}/transfer",
}
# The vendor is unreachable.
REFUSED_HERE = {
    "POST /api/v1/model-keys/{id}/test": "502",
    "POST /api/v1/billing/top-up": "502",
    "DELETE /api/v1/billing/payment-methods/{id}": "502",
}
# Sent with a session token instead of the API key, because they end the session.
WITH_SESSION = {"POST /api/v1/auth/logout", "POST /api/v1/auth/logout-all"}


def path_of(world: World, method: str, path: str) -> str:
    ids: dict[str, Any] = {
        "/agents": world.spare_agent.pk if method == "DELETE" else world.agent.pk,
        "/phone-numbers": world.spare_number.pk if method == "DELETE" else world.number.pk,
        "/secrets": world.secret_ids[method == "DELETE"],
        "/model-keys": world.spare_key_id if method == "DELETE" else world.model_key_id,
        "/calls": world.running_call.pk if path.endswith("/hangup") else world.ended_call.pk,
        "/api-keys": _newest_key(world),
        "/webhook-logs": world.webhook_log_id,
        "/carrier-accounts": world.carrier_account_ids[method == "DELETE"],
        "/do-not-call": _newest_do_not_call(world),
        "/webhook-endpoints": world.webhook_endpoint_ids[method == "DELETE"],
        "/billing": world.card_id if "payment-methods" in path else f"{timezone.now():%Y-%m}",
    }
    prefix = "/" + path.split("/")[3]
    return path.replace("{id}", str(ids.get(prefix, ""))).replace("{code}", "GB")


def _newest_key(world: World) -> int:
    """The ID of a key other than the one that sends the requests."""
    made = ApiKey.objects.filter(developer=world.developer, label="Production").last()
    return made.pk if made else 0


def _newest_do_not_call(world: World) -> int:
    made = DoNotCallNumber.objects.filter(developer=world.developer).last()
    return made.pk if made else 0


def adapt(world: World, client: Client, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """The example with IDs and numbers that exist here."""
    body = dict(body)
    if "from" in body:
        body["from"] = world.number.e164
    if "agent_id" in body:
        body["agent_id"] = world.agent.pk
    if "phone_number_id" in body:
        body["phone_number_id"] = world.number.pk
    if key == "POST /api/v1/phone-numbers":
        offers = client.get("/api/v1/phone-numbers/available?area_code=212&limit=1", headers=world.headers)
        body["phone_number"] = offers.json()["data"][0]["phone_number"]
    if key in {"POST /api/v1/carrier-accounts", "PATCH /api/v1/carrier-accounts/{id}"}:
        body["credentials"] = world.exchange.credentials()
    if key == "POST /api/v1/phone-numbers/import":
        world.exchange.exchange.own("+12135550100")
        body |= {"phone_number": "+12135550100", "carrier_account_id": world.carrier_account_ids[0]}
    if "token" in body:
        body["token"] = make_token(make_developer())
    if key == "POST /api/v1/auth/register":
        body["email"] = "new@example.com"
    return body


def keys_of(value: Any) -> Any:
    """The shape of an example: its keys, and for a list the keys of its first row. Skips free-form objects."""
    if isinstance(value, dict):
        return {name: keys_of(item) for name, item in value.items() if name not in FREE}
    return [keys_of(value[0])] if isinstance(value, list) and value else None


FREE = {
    "metadata",
    "config",
    "settings",
    "dynamic_variables",
    "analysis_schema",
    "analysis_result",
    "tools",
    "request_payload",
}
# Objects with other keys each time. A day of usage has only the categories that cost something.
TABLES = {"GET /api/v1/schema", "GET /api/v1/billing/usage data daily[] categories"}
ORDER = {"GET": 0, "POST": 1, "PUT": 2, "PATCH": 3, "DELETE": 4}


def test_examples_are_accepted_and_get_the_documented_response(world: World, client: Client) -> None:
    for method, path, operation in sorted(operations(), key=lambda entry: ORDER[entry[0]]):
        key = f"{method} {path}"
        if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
            continue  # sent as a real form by test_documented_curls.py
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        example = content.get("examples", {}).get("example", {}).get("value", {})
        headers = dict(world.headers)
        if key in WITH_SESSION:
            headers["Authorization"] = f"Bearer {session_token(world, client)}"
        body = adapt(world, client, key, example)
        answer = client.generic(
            method, path_of(world, method, path), json.dumps(body), content_type="application/json", headers=headers
        )
        expected = "409" if key in NEED_A_LIVE_CALL else REFUSED_HERE.get(key, next(iter(operation["responses"])))
        assert str(answer.status_code) == expected, f"{key}: {answer.content!r}"
        documented = operation["responses"][expected].get("content", {}).get("application/json")
        if documented is None:
            assert answer.content == b"", key
            continue
        check_against(documented["schema"], answer.json())
        if expected[0] == "2":
            compare_shape(key, keys_of(documented["examples"]["example"]["value"]), keys_of(answer.json()))


def compare_shape(key: str, documented: Any, given: Any) -> None:
    """Lists and tables can be empty (the schema says which objects cannot), and null has no keys."""
    if isinstance(documented, dict) and isinstance(given, dict) and given and key not in TABLES:
        assert given.keys() == documented.keys(), key
        for name in documented:
            compare_shape(f"{key} {name}", documented[name], given[name])
    elif isinstance(documented, list) and isinstance(given, list) and given:
        compare_shape(f"{key}[]", documented[0], given[0])


def session_token(world: World, client: Client) -> str:
    body = {"email": world.developer.email, "password": "secret123"}
    return str(client.post("/api/v1/auth/login", body, content_type="application/json").json()["token"])


@pytest.mark.usefixtures("db", "empty_redis")
def test_errors_have_the_same_shape_if_no_view_is_reached(client: Client) -> None:
    answer = client.get("/api/v1/nowhere")
    assert answer.status_code == 404
    check_against({"$ref": "#/components/schemas/Error"}, answer.json())
