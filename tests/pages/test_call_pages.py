"""A call's page: its timeline, its tools, and the controls while it runs. Also the list's filters."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from calls.models import Analysis, Call, CallEvent, CallTurn, SpeechTime, TranscriptEntry, Transcription
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_agent, make_developer
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks.models import WebhookAttempt, WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def number() -> PhoneNumber:
    return make_streaming_number(make_account())


@pytest.fixture
def client(number: PhoneNumber) -> Client:
    return signed_in_client(number.developer)


def ended_call(number: PhoneNumber, began_at: datetime = NOON, **fields: Any) -> Call:
    end = NOON + timedelta(seconds=80)
    defaults = {"status": "completed", "hangup_cause": "normal_clearing", "ended_at": end, "settled_at": end}
    return make_call(number, began_at, **{**defaults, "duration_seconds": 80, **fields})


def test_everything_with_a_time_is_on_one_timeline(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    entry = TranscriptEntry.objects.create(
        call=call, role="user", text="Are you <open> on Sundays?", spoken_at=NOON + timedelta(seconds=20)
    )
    event = CallEvent.objects.create(
        call=call, event_type="stream.failed", source="telephony", event_timestamp=NOON + timedelta(seconds=40.25)
    )
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    assert 'data-seconds="80.0"' in html
    assert f'<li class="user" id="said-{entry.pk}" data-at="20.0">' in html
    assert f'<a href="#said-{entry.pk}" data-at="20.0" tabindex="-1"><rect class="user" x="226.0" width="24.0"' in html
    assert f'<li id="event-{event.pk}" data-at="40.2" class="bad">' in html
    assert f'<a href="#event-{event.pk}" data-at="40.2" tabindex="-1"><rect class="bad" x="502.5" width="3.0"' in html
    assert "<title>Are you &lt;open&gt; on Sundays?</title>" in html


def test_tools_show_request_response_and_latency(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    for index, name in enumerate(("check", "end_call")):
        at = NOON + timedelta(seconds=10 + index)
        CallEvent.objects.create(
            call=call, event_type="tool.called", source="streaming", event_timestamp=at,
            metadata={"tool": name, "arguments": {"reason": "done"}},
        )  # fmt: skip
    CallEvent.objects.create(
        call=call, event_type="tool.returned", source="streaming", event_timestamp=NOON + timedelta(seconds=11),
        metadata={"tool": "check", "ok": True, "latency_ms": 190},
    )  # fmt: skip
    body = json.dumps({"event": "call.tool_call", "tool": "check", "arguments": {"date": "2026-12-24"}})
    delivery = WebhookDelivery.objects.create(
        webhook_id=uuid4(), developer=number.developer, signing_secret=number.signing_secret, subject=f"call:{call.pk}",
        event_type="call.tool_call", url="https://example.com/tools", body=body, status="delivered", attempt_count=1,
        created_at=NOON + timedelta(seconds=10),
    )  # fmt: skip
    WebhookAttempt.objects.create(
        delivery=delivery, number=1, response_status=200, response_body='{"result":{"free":true}}', latency_ms=183,
        success=True,
    )  # fmt: skip
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    section = html.partition('id="tools-title"')[2].partition("</section>")[0]
    assert section.count("<details") == 2  # the server's tool is not shown twice
    assert section.index("check") < section.index("end_call")
    for text in ("183 ms", "HTTP 200", "&quot;date&quot;: &quot;2026-12-24&quot;", "&quot;free&quot;: true", "done"):
        assert text in section


def test_an_answer_shows_its_latency(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    for second, role in ((1, "model"), (5, "user"), (7, "model"), (8, "model")):
        TranscriptEntry.objects.create(call=call, role=role, text=role, spoken_at=NOON + timedelta(seconds=second))
    parts = dict.fromkeys(("carrier_in_ms", "model_ms", "tool_ms", "own_ms"), 0)
    CallTurn.objects.create(call=call, answered_at=NOON + timedelta(seconds=7.4), total_ms=812, **parts)
    CallEvent.objects.create(
        call=call, event_type="tool.called", source="streaming", event_timestamp=NOON + timedelta(seconds=6),
        metadata={"tool": "check"},
    )  # fmt: skip
    html = client.get(f"/calls/{call.pk}/panel/live_summary").content.decode()
    talk = [item.partition("</li>")[0] for item in html.split("<li ")[1:]]
    assert [("812 ms" in item, "check" in item) for item in talk] == [
        (False, False), (False, False), (False, True), (True, False), (False, False),
    ]  # fmt: skip


def test_a_webhook_can_be_resent_from_the_call(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    delivery = WebhookDelivery.objects.create(
        webhook_id=uuid4(), developer=number.developer, signing_secret=number.signing_secret, subject=f"call:{call.pk}",
        event_type="call.hangup", url="https://example.com/", body="{}", status="failed", attempt_count=4,
    )  # fmt: skip
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert f'action="/webhooks/{delivery.pk}/resend"' in html
    back = f"/calls/{call.pk}#delivery-{delivery.pk}"
    assert f'value="{back}"' in html
    assert client.post(f"/webhooks/{delivery.pk}/resend", {"next": back})["Location"] == back
    delivery.refresh_from_db()
    assert delivery.status == "pending"
    assert "every 2s" in client.get(f"/calls/{call.pk}").content.decode()  # until it is delivered


def test_a_failed_call_says_why(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number, status="failed", hangup_cause="busy", direction="outbound", answered_at=None)
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    assert 'Cause: <span class="fault">The callee</span>' in html
    assert 'id="timeline-chart"' not in html  # nobody spoke


def running_call(number: PhoneNumber, **fields: Any) -> Call:
    return make_call(number, timezone.now() - timedelta(seconds=30), **fields)


def test_a_running_call_can_be_controlled(client: Client, number: PhoneNumber) -> None:
    call = running_call(number)
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    for path in ("whisper", "transfer", "hang-up"):
        assert f'action="/calls/{call.pk}/{path}"' in html
    nobody = client.post(f"/calls/{call.pk}/whisper", {"text": "The refund is approved."}, follow=True)
    assert "No model is connected" in nobody.content.decode()  # there is no session in this test
    wrong = client.post(f"/calls/{call.pk}/transfer", {"to": "12345"}, follow=True).content.decode()
    assert "Enter a number with + and country code" in wrong
    assert (
        "Calling the number."
        in client.post(f"/calls/{call.pk}/transfer", {"to": "+1 202-555-0123"}, follow=True).content.decode()
    )
    assert call.transfers.get().to_number == "+12025550123"
    assert "Hanging up." in client.post(f"/calls/{call.pk}/hang-up", follow=True).content.decode()
    call.refresh_from_db()
    assert call.end_requested_cause == "normal_clearing"


def test_the_controls_disappear_when_the_call_ends(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    assert 'id="call-controls"' not in client.get(f"/calls/{call.pk}").content.decode()
    headers = {"HX-Target": "call-live"}
    assert 'id="call-controls"' not in client.get(f"/calls/{call.pk}", headers=headers).content.decode()
    part = client.get(f"/calls/{call.pk}?controls=1", headers=headers).content.decode()
    assert '<div id="call-controls" hx-swap-oob="delete"></div>' in part


@pytest.mark.parametrize("path", ["whisper", "transfer", "hang-up"])
def test_calls_of_other_accounts_cannot_be_controlled(number: PhoneNumber, path: str) -> None:
    call = running_call(number)
    other = signed_in_client(make_developer())
    assert other.post(f"/calls/{call.pk}/{path}", {"text": "x", "to": "+12025550123"}).status_code == 404


def test_the_list_can_be_filtered(client: Client, number: PhoneNumber) -> None:
    agent = make_agent(developer=number.developer)
    ended_call(number)
    ended_call(number, NOON - timedelta(days=2), hangup_cause="busy", status="failed", agent=agent)

    def shown(query: str) -> int:
        html = client.get(f"/calls?{query}").content.decode()
        assert_valid_page(html)
        return html.count('class="linked"')

    assert shown("") == 2
    assert shown("ending=busy") == 1
    assert shown("outcome=person") == 0
    assert shown(f"agent={agent.pk}") == 1
    assert shown("since=2026-11-25") == 1
    assert shown("until=2026-11-24") == 1
    assert shown("since=2026-11-23&until=2026-11-25") == 2


def test_calls_of_a_period_are_listed_by_start_time(client: Client, number: PhoneNumber) -> None:
    later, earlier = ended_call(number), ended_call(number, NOON - timedelta(days=2))
    foreign = ended_call(make_streaming_number(make_developer(), e164="+14155550999"))

    def shown(query: str) -> list[str]:
        return re.findall(r'href="/calls/(\d+)"', client.get(f"/calls?since=2026-11-23{query}").content.decode())

    assert shown("") == [str(later.pk), str(earlier.pk)]
    assert shown(f"&before={later.pk}") == [str(earlier.pk)]
    assert shown(f"&before={earlier.pk}") == []
    assert "This page does not exist" in client.get(f"/calls?since=2026-11-23&before={foreign.pk}").content.decode()
    rows = client.get("/calls.csv?since=2026-11-23").content.decode().splitlines()
    assert [row.partition(",")[0] for row in rows] == ["id", str(later.pk), str(earlier.pk)]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("since=nonsense", ["since"]),
        ("since=2026-02-30&until=0", ["since", "until"]),
        ("since=99999-01-01", ["since"]),
        ("since=2026-11-25&until=2026-11-24", ["until"]),
        ("ending=nothing&status=9", ["status", "ending"]),
        ("number=999999999999999999999&agent=x", ["number", "agent"]),
    ],
)
def test_an_invalid_filter_shows_an_error_and_no_calls(
    client: Client, number: PhoneNumber, query: str, fields: list[str]
) -> None:
    ended_call(number)
    response = client.get(f"/calls?{query}")
    assert response.status_code == 200
    html = response.content.decode()
    assert_valid_page(html)
    summary = re.findall(r'<div class="form-errors"(.*?)</div>', html, re.DOTALL)[0]
    assert re.findall(r'href="#id_(\w+)"', summary) == fields
    assert 'class="linked"' not in html


def test_pages_need_few_queries(client: Client, number: PhoneNumber, django_assert_max_num_queries: Any) -> None:
    calls = [ended_call(number) for _ in range(30)]
    client.get("/calls")
    with django_assert_max_num_queries(8):
        client.get("/calls")
    with django_assert_max_num_queries(12):
        client.get(f"/calls/{calls[0].pk}")


def test_bars_are_where_someone_spoke(client: Client, number: PhoneNumber) -> None:
    call = ended_call(number)
    entry = TranscriptEntry.objects.create(call=call, role="user", text="Hello?", spoken_at=NOON + timedelta(seconds=9))
    answer = TranscriptEntry.objects.create(
        call=call, role="model", text="One moment.", spoken_at=NOON + timedelta(seconds=30)
    )
    for role, begin, end in [("user", 8.0, 8.6), ("model", 10.24, 11.0), ("model", 30.0, 34.0)]:
        began_at, ended_at = (NOON + timedelta(seconds=at) for at in (begin, end))
        SpeechTime.objects.create(call=call, role=role, began_at=began_at, ended_at=ended_at)
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    bars = re.findall(
        r'<a href="#([^"]+)" data-at="([\d.]+)"[^>]*><rect class="(\w+)" x="([\d.]+)" width="([\d.]+)"', html
    )
    assert bars == [
        (f"said-{entry.pk}", "8.0", "user", "100.0", "7.5"),
        (f"said-{answer.pk}", "10.2", "model", "128.0", "9.5"),
        (f"said-{answer.pk}", "30.0", "model", "375.0", "50.0"),
    ]


def test_the_page_refreshes_until_everything_is_charged_and_then_stops(client: Client, number: PhoneNumber) -> None:
    now = timezone.now()
    call = ended_call(number, now, ended_at=now, settled_at=None, recording_enabled=True)
    due: dict[str, Any] = {"call": call, "next_attempt_at": now}
    work = [Transcription.objects.create(**due), Analysis.objects.create(**due)]

    def asks_again() -> bool:
        pages = [client.get(f"/calls/{call.pk}"), client.get(f"/calls/{call.pk}", headers={"HX-Target": "call-live"})]
        (asks,) = {
            'hx-trigger="every 2s"' in re.findall(r'<div [^>]*id="call-live"[^>]*>', page.content.decode())[0]
            for page in pages
        }
        return asks

    assert asks_again()
    Call.objects.update(settled_at=now)
    assert asks_again()
    for place, each in enumerate(work):
        type(each).objects.update(status="ready" if place else "failed", next_attempt_at=None)
        assert asks_again() is (place == 0)
    Transcription.objects.update(status="pending")
    Call.objects.update(ended_at=now - timedelta(minutes=5))  # the page does not wait longer than that
    assert not asks_again()
