"""Servers for the sockets of model sessions, and connections to them."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from agents.providers.connecting import connecting, open_socket
from agents.providers.model_socket import ModelSocket

TIMEOUT_SECONDS = 30  # seconds

Serve = Callable[[ServerConnection], Awaitable[None]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Serve, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A WebSocket server. Yields its address."""
    options: dict[str, Any] = {"max_size": None, "ping_interval": None, "compression": None, "close_timeout": 0.1}
    async with serve(talk, host, 0, ssl=tls, **options) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        name = "localhost" if tls else f"[{host}]" if ":" in host else host
        yield f"{'wss' if tls else 'ws'}://{name}:{port}/path"


@contextlib.asynccontextmanager
async def tcp_server(talk: Talk) -> AsyncIterator[int]:
    """A raw TCP server. Yields its port."""
    running = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[ModelSocket]:
    socket = await open_socket(url, {"x-key": "secret"})
    try:
        yield socket
    finally:
        await socket.close()


async def reach(url: str) -> None:
    """Open a connection as sessions do, and close it."""
    async with connecting("The vendor"):
        socket = await open_socket(url, {})
        await socket.close()


async def silent(peer: ServerConnection) -> None:
    await peer.wait_closed()
