"""The connections of the client for requests to developers' servers."""

import asyncio
import ssl
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
    logged = [one.getMessage() for one in caplog.records if one.name == "webhooks.http.outbound_http"]
    assert logged == ["A request to a developer's server failed unexpectedly"]
