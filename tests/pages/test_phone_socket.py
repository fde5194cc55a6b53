"""Who can register as a handset, and what a handset can send. tests/browser tests its audio."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from websockets.asyncio.server import ServerConnection, serve

from accounts.page_sockets import is_same_origin
from bubblyphone.asgi import application
from sandbox.sockets.phone_socket import is_command
from tests.factories import make_developer
from tests.pages.signed_in import signed_in_client


def scope(origin: str | None, host: str = "localhost:8000") -> dict[str, Any]:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    return {"headers": headers}


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://[::g", "localhost:8000", False),
        ("http://localhost:8000", "localhost:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://localhost:8000", "behind-a-proxy", True),  # PUBLIC_URL
        ("http://localhost:8001", "localhost:8000", False),
        ("https://evil.example", "localhost:8000", False),
        ("http://localhost:8000.evil.example", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("", "", False),
        (None, "localhost:8000", False),
    ],
)
def test_only_our_own_pages_may_connect(origin: str | None, host: str, expected: bool) -> None:
    assert is_same_origin(scope(origin, host)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type": "dial", "to": "+14155550100"}', True),
        ('{"type": "hangup"}', True),
        ('{"type": "register", "number": "+14155550100"}', False),
        ("[1]", False),
        ("{", False),
    ],
)
def test_a_browser_cannot_choose_its_number(text: str, expected: bool) -> None:
    assert is_command(text) is expected


@pytest.mark.django_db(transaction=True)
async def test_a_visitor_is_refused(settings: Any) -> None:
    settings.EXCHANGE_URL = "http://127.0.0.1:9"
    socket = WebsocketCommunicator(application, "/phone/ws", headers=scope("http://localhost:8000")["headers"])
    connected, code = await socket.connect()
    assert (connected, code) == (False, 4403)


@pytest.mark.django_db(transaction=True)
async def test_the_phone_is_disconnected_when_its_user_signs_out(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.page_sockets.LOOK_SECONDS", 0.05)
    left = asyncio.Event()

    async def exchange(connection: ServerConnection) -> None:
        async for _ in connection:
            pass
        left.set()

    developer = await sync_to_async(make_developer)()
    client = await sync_to_async(signed_in_client)(developer)
    cookie = f"sessionid={client.cookies[settings.SESSION_COOKIE_NAME].value}".encode()
    async with serve(exchange, "127.0.0.1", 0) as server:
        settings.EXCHANGE_URL = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        headers = [*scope("http://localhost:8000")["headers"], (b"cookie", cookie)]
        socket = WebsocketCommunicator(application, "/phone/ws", headers=headers)
        assert await socket.connect(30) == (True, None)
        await sync_to_async(client.post)("/logout")
        assert await socket.receive_output(30) == {"type": "websocket.close", "code": 4403}
        await asyncio.wait_for(left.wait(), 30)
