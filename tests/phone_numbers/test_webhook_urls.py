"""URLs that no webhook could reach are refused in every API field for URLs, and in forms."""

from typing import Any

import orjson
import pytest
from django.test import Client

from tests.calls.rows import make_account
from tests.factories import bearer, make_agent, make_phone_number
from tests.pages.signed_in import signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

CHARACTERS = "The URL must not contain spaces, control characters, or backslashes."
HOST = "The host name in the URL is not valid."
UNUSABLE = {
    "http://example..com/": HOST,
    "http://" + "a" * 64 + ".com/": HOST,
    "http://" + "a." * 130 + "com/": HOST,
    "http://xn--zz.com/": HOST,
    "http://[fe80::1%25eth0]/": HOST,
    "http://me:secret@example.com/": "The URL must not contain a user name or password.",
    "http://example.com:99999/": "The port in the URL must be between 1 and 65535.",
    "http://example.com\\@evil.example/": CHARACTERS,
    "http://example.com/a\tb": CHARACTERS,
}
AGENT = {"name": "Ada", "system_prompt": "Be kind."}


def test_api_fields() -> None:
    account = make_account()
    number, agent = make_phone_number(developer=account), make_agent(developer=account)
    purchase = {"phone_number": "+12025550123"}
    requests: list[tuple[str, str, str, dict[str, str]]] = [
        ("PATCH", f"/api/v1/phone-numbers/{number.pk}", "webhook_url", {}),
        ("PATCH", f"/api/v1/phone-numbers/{number.pk}", "tool_webhook_url", {}),
        ("POST", "/api/v1/phone-numbers", "webhook_url", purchase),
        ("POST", "/api/v1/agents", "tool_webhook_url", AGENT),
        ("PATCH", f"/api/v1/agents/{agent.pk}", "tool_webhook_url", {}),
    ]
    client, headers = Client(), bearer(account)
    for method, path, field, body in requests:
        for url, reason in UNUSABLE.items():
            answer = client.generic(
                method, path, _json({**body, field: url}), content_type="application/json", headers=headers
            )
            assert (answer.status_code, answer.json()["errors"]) == (422, {field: [reason]}), (path, url)
    number.refresh_from_db()
    agent.refresh_from_db()
    assert (number.webhook_url, number.tool_webhook_url or "", agent.tool_webhook_url or "") == ("", "", "")
    assert (account.phone_numbers.count(), account.agents.count()) == (1, 1)


def _json(content: Any) -> bytes:
    return orjson.dumps(content)


@pytest.mark.parametrize("url", UNUSABLE)
def test_the_agent_form(url: str) -> None:
    account = make_account()
    agent = make_agent(developer=account)
    response = signed_in_client(account).post(f"/agents/{agent.pk}", {**AGENT, "tool_webhook_url": url})
    assert response.context["form"].errors["tool_webhook_url"] == [UNUSABLE[url]]
    assert list(account.agents.values_list("name", "version")) == [("Support", 1)]
