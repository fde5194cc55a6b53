"""The connections of the client for requests to developers' servers."""

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.tls import self_signed
from webhooks.http.outbound_http import DownloadFailed, OutboundClient, PostResult

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Hands each connection to a coroutine function, and counts them."""

    def __init__(self, serve: Serve, host: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self._serve, self._host, self._context = serve, host, context
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """With the two bytes of its body."""
    return await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2)


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await read_request(reader):
        writer.write(OK)


async def post(client: OutboundClient, url: str, **options: Any) -> PostResult:
    return await client.request("POST", url, body=b"{}", headers={}, **options)


async def test_an_untrusted_certificate_is_named_as_the_reason(tmp_path: Path) -> None:
    server_context, _ = self_signed(tmp_path)
    reason = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate"
    client = OutboundClient()
    async with Server(answer_all, context=server_context) as server:
        result = await post(client, f"https://localhost:{server.port}/hook")
        with pytest.raises(DownloadFailed) as failure:
            await client.download(f"https://localhost:{server.port}/file", tmp_path / "file", max_bytes=9)
    await client.aclose()
    assert result.status is None
    assert result.is_unsent
    assert (result.error or "").startswith(reason)
    assert str(failure.value).startswith(reason)


async def test_an_ipv6_address_in_the_url() -> None:
    client = OutboundClient()
    async with Server(answer_all, "::1") as server:
        result = await post(client, f"http://[::1]:{server.port}/hook")
    await client.aclose()
    assert (result.status, result.body, result.error) == (200, "ok", None)


async def test_a_defect_of_ours_is_a_result_and_not_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    """An exception would leave a webhook without a recorded attempt, and it would be sent again and again."""

    async def fail(host: str, port: int) -> list[str]:
        raise RuntimeError

    client = OutboundClient(fail)
    result = await post(client, "http://hooks.example.com/")
    await client.aclose()
    assert (result.status, result.error) == (None, "The request failed unexpectedly.")
    logged = [record.getMessage() for record in caplog.records if record.name == "webhooks.http.outbound_http"]
    assert logged == ["A request to a developer's server failed unexpectedly"]


async def test_what_exceeds_a_response_is_ignored() -> None:
    """Of a body that is longer than its Content-Length, and of a 204 that has one."""
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more",
        b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"}",
    ]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answers.pop(0))
        await reader.read()

    client = OutboundClient()
    async with Server(serve) as server:
        results = [await post(client, f"http://127.0.0.1:{server.port}/") for _ in range(3)]
    await client.aclose()
    assert [(result.status, result.body, result.error) for result in results] == [
        (200, "ok", None),
        (204, "", None),
        (200, "ok", None),
    ]
    assert server.connections == 3


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", None, "More than 100 KB of headers."),
        (b"X-Long: " + b"x" * 20_000 + b"\r\n", None, "More than 100 KB of headers."),
        (b"zzz\r\n", 200, "Invalid character in chunk size."),
    ],
)
async def test_a_response_that_goes_wrong_ends_at_once(answer: bytes, status: int | None, error: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        if not answer.startswith(b"HTTP"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
        if status:
            writer.write(b"\r\n2\r\nok\r\n")
        writer.write(answer * (1 if status else 130_000 // len(answer)))
        await reader.read()

    client = OutboundClient()
    async with Server(serve) as server:
        result = await post(client, f"http://127.0.0.1:{server.port}/")
    await client.aclose()
    assert (result.status, result.error) == (status, f"The response is not valid HTTP: {error}")
    assert not result.is_timeout


async def test_a_body_without_a_length_that_a_reset_ends_is_not_complete() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nthe beginning")
        await asyncio.to_thread(int)  # until the event loop has read it at the other end
        # A close with this option sends a reset.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    client = OutboundClient()
    async with Server(serve) as server:
        result = await post(client, f"http://127.0.0.1:{server.port}/")
    await client.aclose()
    assert (result.status, result.body) == (200, "the beginning")
    assert result.error == "Server disconnected before the end of the response."


async def test_a_response_to_no_request_is_not_taken_for_the_next_one() -> None:
    late = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await late.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale")
        await reader.read()

    client = OutboundClient()
    async with Server(serve) as server, Server(serve) as other:
        first = await post(client, f"http://127.0.0.1:{server.port}/")
        late.set()
        # The stale response has arrived once another server has answered a request that was sent after it.
        between = await post(client, f"http://127.0.0.1:{other.port}/")
        second = await post(client, f"http://127.0.0.1:{server.port}/")
    await client.aclose()
    assert [result.body for result in (first, between, second)] == ["ok", "ok", "ok"]
    assert server.connections == 2


async def test_a_connection_that_the_server_has_closed_is_not_used_again() -> None:
    """Also if the event loop was too busy to see it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> int:
        for count in range(1, 3):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(OK)
                if count == 1:
                    answered.wait(5)
            closed.set()
        return count

    answered, closed, client = threading.Event(), threading.Event(), OutboundClient()
    served = asyncio.get_running_loop().run_in_executor(None, serve)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    results = [await post(client, url)]
    answered.set()
    closed.wait(5)  # blocks the event loop
    results.append(await post(client, url))
    connections = await served
    await client.aclose()
    listener.close()
    assert [(result.status, result.error) for result in results] == [(200, None), (200, None)]
    assert connections == 2


async def test_a_hanging_tls_server_keeps_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_context, _ = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "localhost.pem"))
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        # Without reading, it does not take part in the end of TLS either.
        assert isinstance(writer.transport, asyncio.Transport)
        writer.transport.pause_reading()
        raw = writer.get_extra_info("socket").dup()
        raw.setblocking(False)
        while await asyncio.get_running_loop().sock_recv(raw, 65536):
            pass
        ended.set()

    client = OutboundClient(timeout_seconds=0.3)
    async with Server(serve, context=server_context) as server:
        result = await post(client, f"https://localhost:{server.port}/")
        assert result.is_timeout
        async with asyncio.timeout(5):
            await ended.wait()
    await client.aclose()


async def test_many_addresses_that_refuse_are_a_failure_at_once() -> None:
    """aiohttp tries them again and again. Each is public, so this would be an attack on others too."""
    tried = socket.create_server(("127.0.0.1", 0))
    port = tried.getsockname()[1]
    tried.close()

    async def resolve(host: str, port: int) -> list[str]:
        return [f"127.0.1.{last}" for last in range(1, 201)]

    client = OutboundClient(resolve)
    result = await post(client, f"http://hooks.example.com:{port}/")
    await client.aclose()
    assert result.error == f"Connection to hooks.example.com refused (port {port})."
    assert result.is_unsent


async def test_a_name_without_an_address() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []

    client = OutboundClient(resolve)
    result = await post(client, "http://hooks.example.com/")
    await client.aclose()
    assert result.error == "The host name hooks.example.com has no address."
