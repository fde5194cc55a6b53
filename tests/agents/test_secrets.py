"""Secrets through the API: stored encrypted, never returned, and not deletable while a tool uses them."""

import base64
from itertools import product
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents.models import Secret
from agents.secrets import create_secret, values_of
from agents.tools.secret_tokens import MASK, SecretValues, mask, names_in_tools
from bubblyphone.core.crypto import decrypt
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import bearer, make_agent

VALUE = 'Bearer a"b+c/~'
TOOL = {
    "name": "book",
    "url": "https://api.example.com/book?key={{secret.URL_KEY}}",
    "headers": {"Authorization": "Bearer {{ secret.KEY }}"},
}


def send(developer: Developer, method: str, path: str, body: Any = None, *, is_admin: bool = True) -> Any:
    headers = bearer(developer, is_admin=is_admin)
    options = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(Client(), method.lower())(f"/api/v1{path}", **options, headers=headers)


@pytest.mark.django_db
def test_a_secret_is_stored_and_its_value_never_shown() -> None:
    developer = make_account()
    made = send(developer, "POST", "/secrets", {"name": "KEY", "value": VALUE})
    secret = Secret.objects.get()
    assert (made.status_code, decrypt(secret.encrypted)) == (201, VALUE)
    expected = {"id": secret.pk, "name": "KEY", "created_at": made.json()["data"]["created_at"]}
    assert made.json() == {"data": expected}
    assert send(developer, "GET", "/secrets").json()["data"] == [expected]
    assert send(developer, "PATCH", f"/secrets/{secret.pk}", {"value": "another"}).json() == {"data": expected}
    assert values_of(developer.pk, ["KEY", "OTHER"]).value("KEY") == "another"
    again = send(developer, "POST", "/secrets", {"name": "KEY", "value": VALUE})
    assert (again.status_code, again.json()["errors"]) == (422, {"name": ["A secret with this name already exists."]})
    assert send(developer, "DELETE", f"/secrets/{secret.pk}").status_code == 204
    assert not Secret.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "key", "value": "s3cret"}, "name"),
        ({"name": "1KEY", "value": "s3cret"}, "name"),
        ({"name": "K" * 65, "value": "s3cret"}, "name"),
        ({"name": "KEY\n", "value": "s3cret"}, "name"),
        ({"name": "KEY", "value": "abc"}, "value"),
        ({"name": "KEY", "value": "s3cret\r\nX: y"}, "value"),
        ({"name": "KEY", "value": "schlüssel"}, "value"),
        ({"name": "KEY", "value": " s3cret"}, "value"),
        ({"name": "KEY", "value": "x" * 4001}, "value"),
        ({"name": "KEY"}, "value"),
        ({"name": "KEY", "value": "s3cret", "more": 1}, "more"),
    ],
    ids=range(11),
)
def test_an_invalid_secret_is_refused(body: dict[str, Any], field: str) -> None:
    answer = send(make_account(), "POST", "/secrets", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not Secret.objects.exists()


@pytest.mark.django_db
def test_a_standard_key_can_only_list_secrets() -> None:
    developer = make_account()
    secret = create_secret(developer=developer, name="KEY", value="s3cret")
    assert send(developer, "GET", "/secrets", is_admin=False).status_code == 200
    for method, path, body in (
        ("POST", "/secrets", {"name": "OTHER", "value": "s3cret"}),
        ("PATCH", f"/secrets/{secret.pk}", {"value": "another"}),
        ("DELETE", f"/secrets/{secret.pk}", None),
    ):
        answer = send(developer, method, path, body, is_admin=False)
        assert (answer.status_code, answer.json()["reason"]) == (403, "admin_key_required")
    assert [(secret.name, decrypt(secret.encrypted)) for secret in Secret.objects.all()] == [("KEY", "s3cret")]


@pytest.mark.django_db
def test_a_secret_that_a_tool_uses_cannot_be_deleted() -> None:
    developer = make_account()
    secret = create_secret(developer=developer, name="KEY", value="s3cret")
    create_secret(developer=make_account(), name="THEIRS", value="s3cret")
    agent = make_agent(developer=developer, name="Booker", tools=[TOOL])
    number = make_streaming_number(developer, tools=[TOOL])
    refused = send(developer, "DELETE", f"/secrets/{secret.pk}")
    text = f"This secret is used by {number.e164}, Booker. Remove it from the tools there first."
    assert (refused.status_code, refused.json()["message"]) == (409, text)
    agent.tools, number.tools = [], []
    agent.save()
    number.save()
    assert send(developer, "DELETE", f"/secrets/{secret.pk}").status_code == 204


@pytest.mark.parametrize("value", ["s3cret-key", "~~~???>>>", "a", "pass wörd 12", "x" * 300])
def test_an_encoded_value_is_redacted(value: str) -> None:
    values = SecretValues({"KEY": value})
    content = value.encode()
    # An encoding of a single character cannot be distinguished from other text.
    left = {content.hex(), content.hex().upper()} if len(value) == 1 else set()
    for text in (content.hex(), content.hex().upper()):
        assert values.redact(f'"{text}"') == (f'"{text}"' if text in left else f'"{MASK}"')
    if len(value) == 1:
        return
    for before, after in product(("", "u:", "user:", "someone:"), ("", "!", "!!", "!!!")):
        whole = before.encode() + content + after.encode()
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            redacted = values.redact(f'{{"auth": "Basic {encode(whole).decode()}"}}')
            rest = redacted.removeprefix('{"auth": "Basic ').removesuffix('"}')
            begin, _, end = rest.partition(MASK)
            assert MASK in rest and len(begin) <= len(before) * 4 / 3 and len(end) <= len(after) * 4 / 3 + 3, redacted
    cut = base64.b64encode(content).decode()[:10]
    assert values.redact(f"cut at {cut}", is_whole=False) == f"cut at {MASK}"


def test_a_value_is_redacted_in_every_escaped_form() -> None:
    values = SecretValues({"KEY": 'a"b/c+d', "LONG": 'a"b/c+d and more'})
    in_json = r"a\"b/c+d and more a\"b\/c+d a\\\"b/c+d a\u0022b/c\u002bd"
    in_urls = "a%22b%2Fc%2Bd a%22b%2fc%2bd a%22b/c%2Bd a%22b%2Fc%2Bd+and+more"
    assert values.redact(f'a"b/c+d {in_urls} {in_json} a&quot;b/c&#43;d abcd') == f"{f'{MASK} ' * 10}abcd"
    assert values.redact('cut at a"b/c', is_whole=False) == f"cut at {MASK}"
    assert repr(values) == "SecretValues(KEY, LONG)"
    assert mask("Say {{secret.KEY}} and {{name}}.") == f"Say {MASK} and {{{{name}}}}."
    assert names_in_tools([TOOL, {"name": "x", "description": "{{secret.NO}}"}]) == {"KEY", "URL_KEY"}
