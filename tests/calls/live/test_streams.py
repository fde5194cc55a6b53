"""Media streams that break during a call: who restarts them, and what the next session knows."""

import math
from typing import Any

import pytest
from aiohttp import web
from django.utils import timezone

from agents.providers.base import Turn
from calls import timeline
from calls.control import commands, lifecycle, streams
from calls.control.reported_keys import reported_keys
from calls.live import live_call
from calls.live.live_call import claim_media_token
from calls.models import CallEvent, MediaNode
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.carriers.registry import forget_carriers
from tests import carriers
from tests.calls.control.test_lifecycle import BEGIN, after, running_call
from tests.fakes.web_thread import WebThread

pytestmark = pytest.mark.django_db


def test_a_broken_stream_is_restarted_with_a_new_url() -> None:
    call = running_call(session_seen_at=after(4))
    first = commands.issue_media_token(call).url
    lost = CarrierEvent(
        CarrierEventType.STREAM_FAILED,
        "e1",
        call.carrier_call_id or "",
        after(5),
        detail="connection_lost",
        carrier="telnyx",
    )
    lifecycle.on_stream_failed(call, lost)
    call.refresh_from_db()
    assert (call.end_requested_at, call.stream_lost_at) == (None, after(5))
    streams.restart(call.pk, since=after(3))  # the carrier is unreachable, but the restart is counted
    call.refresh_from_db()
    assert call.stream_restarts == 1
    token = commands.issue_media_token(call).url.rpartition("/")[2]
    assert token not in first
    assert claim_media_token(token) is not None
    call.refresh_from_db()
    assert (call.stream_lost_at, claim_media_token(token)) == (None, None)
    lifecycle.on_stream_failed(call, lost)  # a late report about the previous stream
    assert call.stream_lost_at is None
    names = CallEvent.objects.filter(call=call).order_by("id").values_list("event_type", flat=True)
    assert list(names) == ["stream.failed", "stream.failed"]


def test_a_session_gets_the_keys_pressed_before_its_stream_started() -> None:
    call = running_call()
    for number, at in ((2, 6), (1, 5)):
        key = CarrierEvent(
            CarrierEventType.DTMF,
            f"e{number}",
            call.carrier_call_id or "",
            after(at),
            detail=str(number),
            carrier="telnyx",
        )
        assert lifecycle.store_carrier_event(key)
        lifecycle.apply_carrier_event(key)
    first, second = reported_keys(call.pk)
    assert [(key.event_id, key.digit) for key in (first, second)] == [("e1", "1"), ("e2", "2")]
    assert first.seconds_ago - second.seconds_ago == pytest.approx(1)
    assert not call.events.exists()  # the session writes those that the stream does not bring
    loaded = live_call.load(call.pk, stream_lost_at=after(0))
    assert loaded.streamless_for == math.inf
    call.stream_restarts = 1
    call.save()
    CallEvent.objects.create(call=call, event_type="stream.connected", source="streaming", event_timestamp=after(2))
    assert live_call.load(call.pk).streamless_for == 0
    assert live_call.load(call.pk, stream_lost_at=timezone.now()).streamless_for == pytest.approx(0, abs=30)


TAKEN: Any = (200, {"data": {"result": "ok"}})
OVER: Any = (422, {"errors": [{"code": "90018", "title": "Call has already ended", "detail": "It is over."}]})


@pytest.mark.parametrize(("answer", "is_restarted"), [(TAKEN, True), (OVER, False)])
def test_only_streams_that_the_carrier_restarts_are_on_the_timeline(
    settings: Any, answer: tuple[int, Any], is_restarted: bool
) -> None:
    """When a caller hangs up, it looks like a broken connection until the carrier reports the end."""

    async def accept_command(request: web.Request) -> web.Response:
        return web.json_response(answer[1], status=answer[0])

    call = running_call()
    with WebThread([web.post("/v2/calls/{call}/actions/{command}", accept_command)]) as carrier:
        carriers.configure(settings, {"api_key": "KEY", "base_url": f"{carrier.url}/v2"})
        try:
            assert streams.restart(call.pk, since=after(3), reason=streams.CONNECTION_LOST) is is_restarted
        finally:
            forget_carriers()
    events = CallEvent.objects.filter(call=call).values_list("event_type", "metadata")
    assert list(events) == ([("stream.restarted", {"reason": "connection_lost"})] if is_restarted else [])


def test_calls_move_immediately_if_another_media_process_runs(settings: Any) -> None:
    """Each call moves once, and not if the clock process has already moved it. Without another process, calls wait for one."""
    requests = []

    async def accept_command(request: web.Request) -> web.Response:
        requests.append((request.match_info["call"], (await request.json())["stream_url"].rpartition("/")[0]))
        return web.json_response(TAKEN[1])

    left_at = timezone.now()
    left, moved = running_call(), running_call(stream_restarted_at=left_at)
    streams.mark_streams_lost([left.pk, moved.pk])
    with WebThread([web.post("/v2/calls/{call}/actions/{command}", accept_command)]) as carrier:
        carriers.configure(settings, {"api_key": "KEY", "base_url": f"{carrier.url}/v2"})
        try:
            streams.move([left.pk], since=left_at)
            assert requests == []
            MediaNode.objects.create(name="media-2", url="ws://media-2.test/media", seen_at=timezone.now())
            for _ in range(2):
                streams.move([left.pk], since=left_at)
                streams.move([moved.pk], since=left_at)
        finally:
            forget_carriers()
    assert requests == [(left.carrier_call_id, "ws://media-2.test/media")]
    events = CallEvent.objects.filter(event_type="stream.restarted").values_list("call_id", "metadata")
    assert list(events) == [(left.pk, {"reason": "deploy"})]


@pytest.mark.parametrize(
    "fields",
    [{"status": "completed", "ended_at": BEGIN}, {"end_requested_at": BEGIN}, {"hangup_reported_at": BEGIN},
     {"transferred_at": BEGIN}, {"sandbox": True}, {"mode": "webhook"}, {"stream_restarts": streams.MAX_RESTARTS}],
)  # fmt: skip
def test_a_stream_without_a_conversation_is_not_restarted(fields: dict[str, Any]) -> None:
    call = running_call(**fields)
    assert streams.restart(call.pk, since=BEGIN) is False
    call.refresh_from_db()
    assert call.stream_restarted_at is None


def test_a_session_continues_with_the_history_of_the_previous_one() -> None:
    call = running_call(stream_restarts=1)
    CallEvent.objects.create(call=call, event_type="stream.connected", source="streaming", event_timestamp=after(2))
    timeline.add_transcript(call.pk, "model", "We are open from nine to five.", at=after(3), item_id="a")
    timeline.mark_interrupted(call.pk, "a", 600, 0.5)
    timeline.add_transcript(call.pk, "user", "And today?", at=after(5))
    timeline.add_transcript(call.pk, "model", "Nobody heard this.", at=after(6), item_id="b")
    timeline.mark_interrupted(call.pk, "b", 0, 0.0)
    resumed = live_call.load(call.pk)
    assert resumed.history == (Turn("model", "We are open from"), Turn("user", "And today?"))
    assert resumed.resumed_after is not None
    assert resumed.detects_voicemail is False
    entry = call.transcript.get(role="model")
    assert (entry.interrupted, entry.interrupted_at_ms) == (True, 600)
