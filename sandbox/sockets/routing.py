"""WebSocket routes."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from django.urls import path

from sandbox.sockets.phone_socket import phone_socket
from sandbox.sockets.sandbox_socket import sandbox_socket

# An ASGI application where Django's types expect a view; Channels' router takes both.
sandbox: Any = sandbox_socket

websocket_urlpatterns: list[Any] = [
    path("sandbox/ws/<str:call_id>", sandbox),
    path("phone/ws", AuthMiddlewareStack(phone_socket)),
]
