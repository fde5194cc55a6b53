"""HTTP goes to Django; WebSockets go to the live parts of calls and sandbox, and handshakes to other paths are refused with 403.

`application` is that of the web processes. Media processes have `media_application`: of HTTP only what monitors ask.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
django.setup(set_prefix=False)

# Models can be imported only now.
from bubblyphone.server.request_handler import MONITORED_PATHS, ThreadedHandler  # noqa: E402
from calls.live.routing import websocket_urlpatterns as call_sockets  # noqa: E402
from sandbox.sockets.routing import websocket_urlpatterns as sandbox_sockets  # noqa: E402

django_application = ThreadedHandler()


async def refuse_socket(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """Close the socket before accepting it; daphne responds with 403."""
    await send({"type": "websocket.close", "code": 4404})


async def monitored_only(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Mapping[str, Any]], Awaitable[None]]
) -> None:
    """Django for the paths that monitors ask; a plain 404 for all others."""
    if scope["path"] in MONITORED_PATHS:
        await django_application(scope, receive, send)
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"10")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not found\n"})


# An ASGI application where Django's types expect a view; Channels' router takes both.
_refuse: Any = refuse_socket
# PostgreSQL's texts have no null character, so no call or token has one.
_unusable = re_path(r"(?s)^[^\0]*\0", _refuse)
_sockets = URLRouter([_unusable, *call_sockets, *sandbox_sockets, re_path(r"(?s)^.*$", _refuse)])
application = ProtocolTypeRouter({"http": django_application, "websocket": _sockets})
media_application = ProtocolTypeRouter({"http": monitored_only, "websocket": _sockets})
