"""Opening a connection to a model: refused handshakes, certificates, proxies, and callers who give up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agents.providers import connecting
from agents.providers.base import ProviderError
from agents.providers.connecting import open_socket, proxy_for
from tests.agents.providers.socket_servers import TIMEOUT_SECONDS, connected, reach, server, silent, tcp_server
from tests.fakes.tls import self_signed

pytestmark = pytest.mark.virtual_time


async def test_an_untrusted_certificate_is_refused(tmp_path: Path) -> None:
    tls, _ = self_signed(tmp_path)
    seen = []

    async def talk(peer: ServerConnection) -> None:
        seen.append(peer)

    async with server(talk, tls=tls) as url:
        with pytest.raises(ProviderError, match="could not be reached") as caught:
            await reach(url)
    assert (caught.value.retryable, seen) == (True, [])


async def test_ipv6() -> None:
    async with server(silent, "::1") as url:
        await reach(url)


@pytest.mark.parametrize(
    ("answer", "message", "retryable"),
    [
        (
            b"HTTP/1.1 401 No\r\nContent-Length: 30\r\n\r\n" + b'{"error":{"message":"No key."}}'[:30],
            "status 401.",
            False,
        ),
        (b'HTTP/1.1 503 No\r\nContent-Length: 32\r\n\r\n{"error":{"message":"Overload."}}'[:-1], "status 503.", True),
        (b'HTTP/1.1 400 No\r\nContent-Length: 31\r\n\r\n{"error":{"message":"No model"}}', "400. No model", False),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "status 302.", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "status 200.", False),
        (b"nonsense\r\n\r\n", "could not be reached", True),
        (b"", "was lost", True),
    ],
)
async def test_refused_handshakes(answer: bytes, message: str, retryable: bool) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with tcp_server(talk) as port:
        with pytest.raises(ProviderError, match=message) as caught:
            await reach(f"ws://127.0.0.1:{port}/")
    assert caught.value.retryable is retryable


async def test_a_canceled_attempt_leaves_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer accepts after nobody is waiting anymore."""
    ended = asyncio.Event()
    requested = asyncio.Event()
    late = asyncio.Event()

    async def talk(peer: ServerConnection) -> None:
        await peer.wait_closed()
        ended.set()

    async def hold(connection: ServerConnection, request: object) -> None:
        requested.set()
        await late.wait()

    async with serve(talk, "127.0.0.1", 0, process_request=hold, ping_interval=None) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        opening = asyncio.create_task(open_socket(f"ws://127.0.0.1:{port}/", {}))
        await requested.wait()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert opening.cancelled()
        late.set()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await ended.wait()


# --- proxies ----------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def proxy(status: bytes = b"200 OK") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that connects. Yields its port, and the request line and authorization of each request."""
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head.split(b"\r\n")[0])
        requests.extend(line for line in head.split(b"\r\n") if line.startswith(b"Proxy-Authorization"))
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if status.startswith(b"200"):
            host, _, port = requests[0].split()[1].decode().rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pass_on(reader, back), pass_on(there, writer))
        writer.close()

    async with tcp_server(talk) as port:
        yield port, requests


async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            target.write(data)
    target.close()


@pytest.mark.parametrize("is_secure", [False, True])
async def test_connections_use_the_proxy(is_secure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    tls, trusting = self_signed(tmp_path)
    monkeypatch.setattr(connecting, "tls_context", lambda: trusting)

    async def talk(peer: ServerConnection) -> None:
        await peer.send(await peer.recv())

    async with proxy() as (port, requests), server(talk, tls=tls if is_secure else None) as url:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{port}")
        async with connected(url) as socket:
            socket.send("through")
            assert await socket.recv() == b"through"
    host = url.split("/")[2].encode()
    assert requests == [b"CONNECT " + host + b" HTTP/1.1", b"Proxy-Authorization: Basic dXNlcjpwQHNz"]


async def test_a_proxy_s_refusal_is_not_the_vendor_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    async with proxy(b"407 Proxy Authentication Required") as (port, requests), server(silent) as url:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        with pytest.raises(ProviderError, match="could not be reached") as caught:
            await reach(url)
    assert caught.value.retryable is True
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "wss://api.vendor.example/v1", None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "wss://api.vendor.example/v1", "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "wss://api.vendor.example/v1", "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, "wss://api.vendor.example/v1", None),
        ({"HTTP_PROXY": "http://proxy:3128"}, "ws://api.vendor.example/v1", "http://proxy:3128"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".vendor.example"}, "wss://api.vendor.example/v1", None),
    ],
)
def test_which_proxy_is_used(
    variables: dict[str, str], url: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "WS_PROXY", "WSS_PROXY", "SOCKS_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == expected
