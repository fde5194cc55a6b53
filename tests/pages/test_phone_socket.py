"""Who may be a handset, and what a handset may say. That it talks is shown in tests/browser."""

from typing import Any

import pytest
from channels.testing import WebsocketCommunicator

from accounts.page_sockets import is_same_origin
from bubblyphone.asgi import application
from sandbox.phone_socket import is_command


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
async def test_a_stranger_is_refused(settings: Any) -> None:
    settings.EXCHANGE_URL = "http://127.0.0.1:9"
    socket = WebsocketCommunicator(application, "/phone/ws", headers=scope("http://localhost:8000")["headers"])
    connected, code = await socket.connect()
    assert (connected, code) == (False, 4403)
