"""WebSocket routes."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from django.urls import path

from calls.live.live_socket import live_socket
from calls.live.media_socket import media_socket

# An ASGI application where Django's types expect a view; Channels' router takes both.
media: Any = media_socket

websocket_urlpatterns: list[Any] = [
    path("media/<str:token>", media),
    # The node's name is for the reverse proxy; the token identifies the call, in any process.
    path("media/<str:node>/<str:token>", media),
    path("live/ws/<str:identifier>", AuthMiddlewareStack(live_socket)),
]
