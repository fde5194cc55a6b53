"""HTTP goes to Django; WebSockets go to the live parts of calls and sandbox, and handshakes to other paths are refused with 403."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
django_application = get_asgi_application()

# Models can be imported only now.
from calls.live.routing import websocket_urlpatterns as call_sockets  # noqa: E402
from sandbox.routing import websocket_urlpatterns as sandbox_sockets  # noqa: E402


async def refuse_socket(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Close the socket before accepting it; daphne responds with 403."""
    await send({"type": "websocket.close", "code": 4404})


# An ASGI application where Django's types expect a view; Channels' router takes both.
_refuse: Any = refuse_socket
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter([*call_sockets, *sandbox_sockets, re_path(r"(?s)^.*$", _refuse)]),
    }
)
