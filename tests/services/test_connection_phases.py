"""Connection limits with an application that accepts WebSockets, never responds, or responds slowly, on real sockets."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from bubblyphone.server.connections import LINGER_BYTES
from bubblyphone.services.ports import find_free, is_free

SERVER = """
import asyncio, sys, django
django.setup()
from daphne import http_protocol, server
from daphne.ws_protocol import WebSocketFactory
from bubblyphone.server.limited_protocols import LimitedFactory, LimitedWebSocket
from bubblyphone.server.daphne_http import LeanWebRequest
from bubblyphone.server.listening import describe_endpoints

async def app(scope, receive, send):
    await receive()
    if scope["type"] == "websocket":
        await asyncio.sleep(0.5)
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send(message | {"type": "websocket.send"})
        return
    if scope["path"] == "/never":
        await asyncio.sleep(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Connection", b"keep-alive")]})
    if scope["path"] == "/slow":
        for _ in range(8):
            await send({"type": "http.response.body", "body": b"line\\n", "more_body": True})
            await asyncio.sleep(1)
    if scope["path"] == "/stops":
        await send({"type": "http.response.body", "body": b"line\\n", "more_body": True})
        await asyncio.sleep(60)
    body = bytes(8_000_000 if scope["path"] == "/large" else 0)
    await send({"type": "http.response.body", "body": body})

WebSocketFactory.protocol = LimitedWebSocket
http_protocol.WebRequest = LeanWebRequest
server.HTTPFactory = LimitedFactory
server.Server(app, endpoints=describe_endpoints("127.0.0.1", int(sys.argv[1])), signal_handlers=False).run()
"""
SECONDS = 4
LIMITS = {"REQUEST_HEADER_SECONDS": "2", "REQUEST_SECONDS": str(SECONDS), "KEEP_ALIVE_SECONDS": "3"}


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    process: "subprocess.Popen[bytes]"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    number = find_free()
    environment = {**os.environ, **LIMITS, "DJANGO_SETTINGS_MODULE": "bubblyphone.settings"}
    with subprocess.Popen([sys.executable, "-c", SERVER, str(number)], env=environment) as process:
        until = time.monotonic() + 60
        while is_free(number):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        try:
            yield Running(number, process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def port(running: Running) -> int:
    return running.port


def connector(address: str) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0, local_addr=(address, 0))


def test_many_connections_wait_for_a_busy_loop(running: Running) -> None:
    with contextlib.ExitStack() as stack:
        running.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(300):  # the kernel accepts each one immediately
                stack.enter_context(socket.create_connection(("127.0.0.1", running.port), 0.9, ("127.0.6.1", 0)))
        finally:
            running.process.send_signal(signal.SIGCONT)


async def test_accepted_websockets_do_not_count(port: int) -> None:
    """All calls of a carrier come from its address, possibly at the same time."""
    url = f"http://127.0.0.1:{port}"
    async with asyncio.timeout(50), aiohttp.ClientSession(connector=connector("127.0.2.1")) as http:
        sockets = await asyncio.gather(*(http.ws_connect(f"{url}/call") for _ in range(150)))
        idle = [socket.create_connection(("127.0.0.1", port), 5, ("127.0.2.1", 0)) for _ in range(60)]
        await asyncio.sleep(2 * SECONDS)  # longer than any limit
        await asyncio.gather(*(connection.send_str("still here") for connection in sockets))
        assert [await connection.receive_str() for connection in sockets] == ["still here"] * 150
        async with http.get(f"{url}/quick") as response:
            assert response.status == 200
        for connection in idle:
            connection.close()


async def test_a_request_times_out(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    async with asyncio.timeout(20), aiohttp.ClientSession(connector=connector("127.0.3.1")) as http:
        began = time.monotonic()
        async with http.get(f"{url}/never") as response:
            assert response.status == 503
        assert SECONDS - 0.5 < time.monotonic() - began < SECONDS + 4
        began = time.monotonic()
        async with http.get(f"{url}/stops") as response:
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        assert SECONDS - 0.5 < time.monotonic() - began < SECONDS + 4


async def test_a_response_that_makes_progress_can_take_longer(port: int) -> None:
    url = f"http://127.0.0.1:{port}/slow"
    session = aiohttp.ClientSession(connector=connector("127.0.4.1"))
    async with asyncio.timeout(30), session as http, http.get(url) as response:
        assert await response.read() == b"line\n" * 8


async def test_a_slow_reader_gets_the_whole_file(port: int) -> None:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    client.bind(("127.0.5.1", 0))
    client.connect(("127.0.0.1", port))
    client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    client.setblocking(False)
    received, began = 0, time.monotonic()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60):
        while data := await loop.sock_recv(client, 65536):
            received += len(data)
            await asyncio.sleep(len(data) / 600_000)
    assert received > 8_000_000
    assert time.monotonic() - began > 2 * SECONDS


TOO_LARGE = b'{"message":"The request body is larger than 1 MiB."}'
LENGTHS = [b"10000000000", b"9" * 400, b"9" * 10_000, b"0" * 300 + b"99999999999"]


@pytest.mark.parametrize("length", LENGTHS, ids=[f"{len(length)} digits" for length in LENGTHS])
@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
@pytest.mark.parametrize(("path", "content"), [(b"/login", b""), (b"/api/v1/calls", TOO_LARGE)])
def test_an_oversized_body_is_refused_based_on_its_length(
    port: int, length: bytes, expect: bytes, path: bytes, content: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port), 30, ("127.0.6.1", 0)) as client:
        began = time.monotonic()
        client.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %s\r\n\r\n" % (path, expect, length))
        answer = received(client)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.endswith(b"\r\n\r\n" + content)
        assert time.monotonic() - began < 5


MEGABYTE = bytes(1024 * 1024)
LENGTH = b"Content-Length: 73400320"  # 70 MiB
CHUNK = b"100000\r\n" + MEGABYTE + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("path", "header", "pieces", "status", "content"),
    [
        (b"/api/v1/calls", LENGTH, [MEGABYTE] * 70, b"413", TOO_LARGE),
        (b"/login", CHUNKED, [CHUNK] * 70 + [b"0\r\n\r\n"], b"413", b""),
        (b"/webhooks/telnyx", CHUNKED, [b"no length\r\n"] + [MEGABYTE] * 20, b"400", b""),
        (b"/api/v1/calls", b"Content-Length: x", [MEGABYTE] * 20, b"400", b""),
    ],
    ids=["length", "chunks", "no chunks", "no length"],
)
def test_clients_that_read_after_sending_everything_get_the_refusal(
    port: int, path: bytes, header: bytes, pieces: list[bytes], status: bytes, content: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port), 30, ("127.0.6.2", 0)) as client:
        client.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % (path, header))
        for piece in pieces:
            client.sendall(piece)
        answer = received(client)
        assert answer.startswith(b"HTTP/1.1 %s " % status)
        assert answer.endswith(b"\r\n\r\n" + content)


def test_an_endless_sender_is_disconnected_after_a_limited_amount(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 30, ("127.0.6.2", 0)) as client:
        client.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % LENGTH)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 2 * LINGER_BYTES:
                client.sendall(MEGABYTE)
                sent += len(MEGABYTE)
        assert LINGER_BYTES - len(MEGABYTE) <= sent < 2 * LINGER_BYTES


@pytest.mark.parametrize(
    "lengths", [[b"-1"], [b"x"], [b""], [b"+5"], [b"5, 5"], [b"1.5"], [b"0x5"], [b"5", b"6"], ["²".encode()]]
)
def test_an_invalid_length_is_refused(port: int, lengths: list[bytes]) -> None:
    headers = b"".join(b"Content-Length: %s\r\n" % length for length in lengths)
    with socket.create_connection(("127.0.0.1", port), 30, ("127.0.6.1", 0)) as client:
        client.sendall(b"POST /api/v1/calls HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % headers)
        assert received(client).startswith(b"HTTP/1.1 400 ")


def received(client: socket.socket) -> bytes:
    """Everything the server sends before it closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))
