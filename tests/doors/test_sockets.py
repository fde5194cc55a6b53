"""A message too large for a socket closes it with 1009 (RFC 6455, section 7.4.1), at every route that takes WebSockets."""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from bubblyphone.asgi import call_sockets, sandbox_sockets
from bubblyphone.core.crypto import hash_secret
from bubblyphone.daphne_websocket import MAX_MESSAGE_BYTES
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
def server(empty_redis: Any) -> Iterator[tuple[str, ExchangeThread]]:
    """The web process on this test's database, with the built-in exchange."""
    database = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    with ExchangeThread() as exchange:
        carrier = {f"TELNYX_{name.upper()}": value for name, value in exchange.carrier_options().items()}
        variables = {**carrier, "EXCHANGE_URL": exchange.exchange.url, "DATABASE_URL": database}
        with web.running(**variables) as (url, _, _):
            yield url.replace("http", "ws", 1), exchange


def close_code(url: str, message: Any, **options: Any) -> int | None:
    with connect(url, proxy=None, compression=None, open_timeout=30, **options) as socket:
        try:
            socket.send(message)
            while True:
                socket.recv(timeout=30)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def test_each_route(server: tuple[str, ExchangeThread]) -> None:
    url, exchange = server
    developer = make_account()
    number = make_phone_number(developer=developer)
    origin: Any = url.replace("ws", "http", 1)
    cookie = {"Cookie": f"sessionid={signed_in_client(developer).cookies[settings.SESSION_COOKIE_NAME].value}"}
    codes = {}
    for kind, message in MESSAGES.items():
        for route, public_id in (("media", None), ("sandbox/ws/sandbox_" + kind, "sandbox_" + kind)):
            token = f"{route}-{kind}"
            make_call(
                number,
                timezone.now(),
                session_seen_at=None,
                public_id=public_id,
                media_token_hash=hash_secret(token.replace("/", "-")),
                media_token_expires_at=timezone.now() + timedelta(minutes=5),
            )
            token = token.replace("/", "-")
            address = f"{url}/{route}?token={token}" if public_id else f"{url}/media/{token}"
            codes[f"{route.partition('/')[0]} {kind}"] = close_code(address, message)
        phone = close_code(f"{url}/phone/ws", message, origin=origin, additional_headers=cookie)
        codes[f"phone {kind}"] = phone
        handset = f"{exchange.exchange.url.replace('http', 'ws', 1)}/handset?token={exchange.exchange.api_key}"
        codes[f"exchange {kind}"] = close_code(handset, message * 5 if kind != "parts" else message * 10)
    assert set(codes.values()) == {1009}, codes


def test_there_are_no_other_routes() -> None:
    routes = [str(one.pattern) for one in [*call_sockets, *sandbox_sockets]]
    assert routes == ["media/<str:token>", "sandbox/ws/<str:call_id>", "phone/ws"]
