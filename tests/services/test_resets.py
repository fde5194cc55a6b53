"""Clients that send something and reset the connection before the server reads it: the connection is closed, and nothing fails."""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bubblyphone.services.ports import find_free, is_free
from tests.waiting import eventually

SERVER = """
import asyncio, sys, uvloop
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
import django
django.setup()
from daphne import http_protocol, server
from daphne.ws_protocol import WebSocketFactory
from bubblyphone.server.limited_protocols import LimitedFactory, LimitedWebSocket
from bubblyphone.server.daphne_http import LeanWebRequest

async def app(scope, receive, send):
    await receive()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            if scope["path"] == "/answered-frame":
                await send({"type": "websocket.send", "text": "too late"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": b"x"})
    print(scope["path"], flush=True)

WebSocketFactory.protocol = LimitedWebSocket
http_protocol.WebRequest = LeanWebRequest
server.HTTPFactory = LimitedFactory
server.Server(app, endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"], signal_handlers=False).run()
"""
HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = (
    HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
FRAME = b"\x81\x82\0\0\0\0hi"
# What is sent and answered, and what is sent right before the reset.
STAGES = [
    (b"", b""),
    (b"", b"GET /line HT"),
    (b"", b"GET /headers" + HEAD),
    (b"", b"POST /part-of-a-body" + HEAD + b"Content-Length: 10\r\n\r\n12345"),
    (b"", b"POST /form" + HEAD + b"Content-Length: 5\r\n\r\n12345"),
    (b"", b"POST /large" + HEAD + b"Content-Length: 1000000\r\n\r\n" + b"x" * 500_000),
    (b"", b"GET /page" + HEAD + b"\r\n"),
    (b"GET /first" + HEAD + b"\r\n", b""),
    (b"GET /first" + HEAD + b"\r\n", b"GET /second" + HEAD + b"\r\n"),
    (b"", b"GET /handshake" + UPGRADE),
    (b"GET /open" + UPGRADE, b""),
    (b"GET /frame" + UPGRADE, FRAME),
    (b"GET /answered-frame" + UPGRADE, FRAME),
    (b"GET /half-a-frame" + UPGRADE, FRAME[:3]),
]
EXPECTED_PATHS = [
    "/answered-frame",
    "/first",
    "/first",
    "/form",
    "/frame",
    "/half-a-frame",
    "/handshake",
    "/open",
    "/page",
    "/second",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, int, Path]]:
    """Yields its port, its PID and its log. No timeout ends a connection during the test."""
    port, log = find_free(), tmp_path / "log"
    limits = {"REQUEST_HEADER_SECONDS": "300", "DJANGO_SETTINGS_MODULE": "bubblyphone.settings"}
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-c", SERVER, str(port)], env=os.environ | limits, stdout=output, stderr=output) as process,
    ):  # fmt: skip
        try:
            eventually(lambda: process.poll() is not None or not is_free(port), 60)
            yield port, process.pid, log
        finally:
            process.kill()


def test_a_reset_connection_ends_at_every_stage(server: tuple[int, int, Path]) -> None:
    port, pid, log = server
    descriptors = Path(f"/proc/{pid}/fd")
    at_rest = len(list(descriptors.iterdir()))
    clients = []
    for answered, _ in STAGES:
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        if answered:
            client.sendall(answered)
            end = b"\r\n\r\n" if UPGRADE in answered else b"0\r\n\r\n"
            while not client.recv(65536).endswith(end):
                pass
        clients.append(client)
    eventually(lambda: len(list(descriptors.iterdir())) == at_rest + len(STAGES))
    os.kill(pid, signal.SIGSTOP)  # so that the server sees the data and the reset at the same time
    for client, (_, unread) in zip(clients, STAGES, strict=True):
        client.settimeout(None)
        client.sendall(unread)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    os.kill(pid, signal.SIGCONT)
    eventually(lambda: len(list(descriptors.iterdir())) == at_rest)
    eventually(lambda: sorted(log.read_text().split()) == EXPECTED_PATHS)
