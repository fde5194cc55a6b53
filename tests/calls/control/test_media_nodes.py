"""Which process a media stream connects to, according to the rows of the media processes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from django.db import connection
from django.utils import timezone

from calls.clock import sweeper
from calls.control import commands, media_nodes, streams
from calls.live.live_call import claim_media_token
from calls.models import Call, MediaNode
from phone_numbers.carriers.registry import forget_carriers
from tests import carriers
from tests.calls.control.test_lifecycle import running_call
from tests.fakes.web_thread import WebThread

pytestmark = pytest.mark.django_db
WEB = "ws://localhost:8000/media"


@pytest.fixture(autouse=True)
def public_url(settings: Any) -> None:
    settings.PUBLIC_WS_URL = "ws://localhost:8000"


@pytest.fixture
def own_process(settings: Any) -> Iterator[None]:
    """Registers this process as a media process."""
    settings.MEDIA_NODE, settings.MEDIA_STREAM_URL = "own", url_of("own")
    media_nodes.enlist()
    yield
    media_nodes.OWN.name = ""


def url_of(name: str) -> str:
    return f"wss://agents.example.com/media/{name}"


def node(name: str, calls: int = 0, *, silent_for: float = 0, **fields: Any) -> MediaNode:
    seen_at = timezone.now() - timedelta(seconds=silent_for)
    return MediaNode.objects.create(name=name, url=url_of(name), calls=calls, seen_at=seen_at, **fields)


def stream_url_of(call: Call) -> str:
    """The URL, without the token, that the call's next stream connects to."""
    base, _, token = commands.issue_media_token(call).url.rpartition("/")
    assert len(token) == 64
    return base


def test_a_process_learns_that_its_row_was_deleted(own_process: None) -> None:
    assert media_nodes.announce(3)
    MediaNode.objects.all().delete()
    assert not media_nodes.announce(3)


def test_streams_go_to_the_media_process_with_the_fewest_calls() -> None:
    call = running_call()
    assert stream_url_of(call) == WEB
    node("one", 2)
    node("two", 1)
    node("dead", silent_for=4)
    node("leaving", accepts_calls=False)
    assert [stream_url_of(call) for _ in range(4)] == [url_of(name) for name in ("two", "one", "two", "one")]
    assert dict(MediaNode.objects.values_list("name", "calls")) == {"one": 4, "two": 3, "dead": 0, "leaving": 0}


@pytest.mark.parametrize(
    ("held_by", "reason", "expected"),
    [
        ("one", streams.CONNECTION_LOST, url_of("one")),  # its session is waiting there
        ("one", streams.SESSION_LOST, url_of("two")),
        ("one", streams.DEPLOY, url_of("two")),
        ("dead", streams.CONNECTION_LOST, url_of("one")),
        ("", streams.CONNECTION_LOST, WEB),
        ("", streams.SESSION_LOST, url_of("one")),
    ],
)
def test_a_broken_stream_reconnects_to_a_live_session(settings: Any, held_by: str, reason: str, expected: str) -> None:
    node("one", 1)
    node("two", 2)
    node("dead", silent_for=4)
    call = running_call(media_node=held_by)
    commanded = []

    async def accept_command(request: web.Request) -> web.Response:
        commanded.append((await request.json())["stream_url"])
        return web.json_response({"data": {"result": "ok"}})

    with WebThread([web.post("/v2/calls/{call}/actions/{command}", accept_command)]) as carrier:
        carriers.configure(settings, {"api_key": "KEY", "base_url": f"{carrier.url}/v2"})
        try:
            assert streams.restart(call.pk, since=timezone.now(), reason=reason) is True
        finally:
            forget_carriers()
    assert [url.rpartition("/")[0] for url in commanded] == [expected]


@pytest.mark.usefixtures("own_process")
def test_a_media_process_announces_itself_takes_calls_and_withdraws() -> None:
    call = running_call(session_seen_at=None)
    assert stream_url_of(call) == url_of("own")
    token = commands.issue_media_token(call).url.rpartition("/")[2]
    assert claim_media_token(token) is not None
    call.refresh_from_db()
    assert call.media_node == "own"

    media_nodes.announce(7)
    assert MediaNode.objects.get().calls == 7
    media_nodes.withdraw()
    media_nodes.announce(6)
    assert stream_url_of(running_call()) == WEB
    media_nodes.enlist()  # the next process with that name
    assert MediaNode.objects.get().calls == 0
    assert stream_url_of(running_call()) == url_of("own")


@pytest.mark.usefixtures("own_process")
def test_rows_of_processes_that_are_gone_are_deleted() -> None:
    node("old", silent_for=90_000)
    media_nodes.enlist()
    assert [each.name for each in MediaNode.objects.all()] == ["own"]


def test_the_sweeper_lets_the_session_reconnect_a_broken_stream_first() -> None:
    now = timezone.now()
    call = running_call(session_seen_at=now, stream_lost_at=now - timedelta(seconds=0.5))
    sweeper.reconnect_streams(now)
    call.refresh_from_db()
    assert call.stream_restarts == 0
    sweeper.reconnect_streams(now + timedelta(seconds=1))
    call.refresh_from_db()
    assert call.stream_restarts == 1


def test_code_from_before_media_processes_can_write_calls() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_default FROM information_schema.columns WHERE table_name = 'calls_call' AND column_name = 'media_node'"
        )
        assert cursor.fetchone() == ("''::character varying",)
