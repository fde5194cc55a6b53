"""A call's metadata: what is accepted, where it is returned, and finding calls by it."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test import Client

from calls import timeline
from calls.control import lifecycle
from calls.models import Call
from tests import factories
from tests.calls.control.test_outbound import post
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.described import check_webhook
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FULL = {f"key {index}": "x" * 500 for index in range(50)}


@pytest.mark.parametrize(
    ("metadata", "errors"),
    [
        ("text", {"metadata": ["Must be an object with string values."]}),
        ([], {"metadata": ["Must be an object with string values."]}),
        ({"a": 5}, {"metadata.a": ["Must be a string."]}),
        ({"a": None}, {"metadata.a": ["Must be a string."]}),
        ({"a": {"b": "c"}}, {"metadata.a": ["Must be a string."]}),
        ({"a": "x" * 501}, {"metadata.a": ["Must have at most 500 characters."]}),
        ({"k" * 41: "x"}, {f"metadata.{'k' * 41}": ["Keys must have 1 to 40 characters."]}),
        ({"": "x"}, {"metadata": ["Keys must have 1 to 40 characters."]}),
        ({**FULL, "one more": "x"}, {"metadata": ["Must have at most 50 keys."]}),
        ({"a": "\x00"}, {"metadata.a": ["Null characters are not allowed."]}),
    ],
    ids=range(10),
)
def test_invalid_metadata_is_rejected(metadata: Any, errors: dict[str, list[str]]) -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    for path, body in (
        ("/calls", {"from": number.e164, "to": "+12025550123"}),
        ("/sandbox/calls", {"phone_number_id": number.pk}),
    ):
        answer = post(developer, path, {**body, "metadata": metadata})
        assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert not Call.objects.exists()


def test_a_call_and_all_of_its_webhooks_include_metadata() -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    started = post(developer, "/sandbox/calls", {"phone_number_id": number.pk, "metadata": FULL})
    identifier = started.json()["data"]["call_id"]
    client, headers = Client(), factories.bearer(developer)
    assert client.get(f"/api/v1/calls/{identifier}", headers=headers).json()["data"]["metadata"] == FULL
    call = Call.objects.get(public_id=identifier)
    timeline.add_event(call.pk, "stream.connected", "streaming")
    with transaction.atomic():
        lifecycle.finish(Call.objects.get_for_update(call.pk), ended_at=BEGIN, cause="normal_clearing")
    bodies = [json.loads(body) for body in WebhookDelivery.objects.values_list("body", flat=True)]
    assert [body["event"] for body in bodies] == ["call.started", "call.hangup"]
    for body in bodies:
        assert body["metadata"] == FULL
        check_webhook(body)
    plain = post(developer, "/sandbox/calls", {"phone_number_id": number.pk, "metadata": None})
    data = client.get(f"/api/v1/calls/{plain.json()['data']['call_id']}", headers=headers).json()["data"]
    assert data["metadata"] == {}


def test_calls_are_found_by_metadata() -> None:
    developer = make_account()
    number = make_streaming_number(developer)
    values = [{"order": "1", "team": "a"}, {"order": "1", "team": "b"}, {"order": "2"}, {}, {"a]b[": "x y&z"}]
    calls = [make_call(number, BEGIN, metadata=value) for value in values]
    make_call(make_streaming_number(make_account()), BEGIN, metadata={"order": "1"})
    headers = factories.bearer(developer)

    def find(*filters: tuple[str, str]) -> Any:
        return Client().get(f"/api/v1/calls?{urlencode(filters)}", headers=headers)

    for filters, found in (
        ([("metadata[order]", "1")], [1, 0]),
        ([("metadata[order]", "1"), ("metadata[team]", "a")], [0]),
        ([("metadata[order]", "3")], []),
        ([("metadata[order]", "1"), ("status", "completed")], []),
        ([("metadata[a]b[]", "x y&z")], [4]),
    ):
        assert [row["id"] for row in find(*filters).json()["data"]] == [calls[index].pk for index in found]
    for name, error in (
        ("metadata", {"metadata": ["Must name a key: metadata[key]=value."]}),
        ("metadata[]", {"metadata": ["Keys must have 1 to 40 characters."]}),
        ("meta[order]", {"meta[order]": ["Unknown parameter."]}),
        ("status[x]", {"status[x]": ["Unknown parameter."]}),
    ):
        answer = find((name, "1"))
        assert (answer.status_code, answer.json()["errors"]) == (422, error)


def test_the_search_has_an_index() -> None:
    found = Call.objects.filter(metadata__contains={"order": "1"})
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "call_by_metadata" in found.explain()


def test_the_call_page_shows_metadata() -> None:
    developer = make_account()
    call = make_call(make_streaming_number(developer), BEGIN, metadata={"order <b>": "1815"})
    client = Client()
    client.force_login(developer)
    page = client.get(f"/calls/{call.pk}").content.decode()
    assert '<th scope="row" class="break">order &lt;b&gt;</th><td class="break">1815</td>' in page
