"""A message that is too large closes the socket with 1009 (RFC 6455, section 7.4.1) on every WebSocket route."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connection
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bubblyphone.asgi import application, call_sockets, sandbox_sockets
from bubblyphone.core.crypto import hash_secret
from bubblyphone.server.daphne_websocket import MAX_MESSAGE_BYTES
from calls.models import Call
from tests.calls.rows import make_account, make_call
from tests.factories import make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.signed_in import signed_in_client
from tests.services import web

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGES: dict[str, Any] = {
    "text": "a" * (MAX_MESSAGE_BYTES + 1),
    "bytes": bytes(2 * MAX_MESSAGE_BYTES),
    "parts": ["a" * 400_000] * 3,
}


@pytest.fixture
def server(empty_redis: Any) -> Iterator[str]:
    """The web process on this test's database, with the built-in exchange."""
    database = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    with ExchangeThread() as exchange:
        carrier = {f"TELNYX_{name.upper()}": value for name, value in exchange.carrier_options().items()}
        variables = {**carrier, "EXCHANGE_URL": exchange.exchange.url, "DATABASE_URL": database}
        with web.running(**variables) as (url, _, _):
            yield url.replace("http", "ws", 1)


def close_code(url: str, message: Any, **options: Any) -> int | None:
    """The code with which the server closes the connection after this message."""
    with connect(url, proxy=None, compression=None, open_timeout=30, **options) as socket:
        try:
            socket.send(message)
            while True:
                socket.recv(timeout=30)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def test_each_route(server: str) -> None:
    developer = make_account()
    number = make_phone_number(developer=developer)
    origin: Any = server.replace("ws", "http", 1)
    cookie = {"Cookie": f"sessionid={signed_in_client(developer).cookies[settings.SESSION_COOKIE_NAME].value}"}

    def token_for(public_id: str | None) -> str:
        """The media token of a call that expects audio."""
        token = f"token-{Call.objects.count()}"
        now, later = timezone.now(), timezone.now() + timedelta(minutes=5)
        fields = {"media_token_hash": hash_secret(token), "media_token_expires_at": later, "session_seen_at": None}
        make_call(number, now, public_id=public_id, **fields)
        return token

    codes = {}
    for kind, message in MESSAGES.items():
        sandbox_id = f"sandbox_{kind}"
        codes[f"media {kind}"] = close_code(f"{server}/media/{token_for(None)}", message)
        codes[f"node {kind}"] = close_code(f"{server}/media/m1/{token_for(None)}", message)
        sandbox = f"{server}/sandbox/ws/{sandbox_id}?token={token_for(sandbox_id)}"
        codes[f"sandbox {kind}"] = close_code(sandbox, message)
        phone = close_code(f"{server}/phone/ws", message, origin=origin, additional_headers=cookie)
        codes[f"phone {kind}"] = phone
    assert set(codes.values()) == {1009}, codes


@pytest.mark.parametrize("first", [b"\x81", b"\x82", b"\x01"], ids=["text", "bytes", "parts"])
def test_the_exchange_s_socket(first: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Our phone socket forwards the browser's audio to this one. It refuses a message by its length, before any content arrives."""
    with ExchangeThread() as thread:
        url = f"{thread.exchange.url.replace('http', 'ws', 1)}/handset?token={thread.exchange.api_key}"
        with connect(url, proxy=None, compression=None, open_timeout=30) as socket:
            socket.socket.sendall(first + b"\xff" + (100_000).to_bytes(8, "big") + b"mask")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=30)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1009
    assert [record for record in caplog.records if record.name == "aiohttp.server"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/sandbox/ws/%00?token=x", "/sandbox/ws/sandbox_%00x?token=%00", "/media/%00", "/media/m1/%00", "/media/%00/x", "/%00",
        "/sandbox/ws/%ff?token=%ff", "/sandbox/ws/%ED%A0%80?token=x", "/media/%E2%80%AE", "/sandbox/ws/" + "9" * 3000, "/phone/ws/x",
    ],
)  # fmt: skip
async def test_an_impossible_path_is_refused(path: str) -> None:
    communicator = WebsocketCommunicator(application, path)
    assert (await communicator.connect(timeout=30))[0] is False


def test_there_are_no_other_routes() -> None:
    routes = [str(route.pattern) for route in [*call_sockets, *sandbox_sockets]]
    assert routes == [
        "media/<str:token>",
        "media/<str:node>/<str:token>",
        "live/ws/<str:identifier>",
        "sandbox/ws/<str:call_id>",
        "phone/ws",
    ]
