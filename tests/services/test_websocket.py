"""Frames on daphne's own sockets arrive complete, in order and unchanged, even for a slow reader."""

import asyncio
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

import aiohttp
import pytest
from daphne import http_protocol, ws_protocol
from daphne import server as daphne_server
from twisted.internet import abstract, tcp
from twisted.web import http

import bubblyphone
from bubblyphone.server import daphne_websocket
from bubblyphone.server.daphne_websocket import PROVEN, DirectWebSocketProtocol, direct_send, prove
from bubblyphone.services.ports import find_free, is_free

SERVER = """
import asyncio, sys
from daphne.server import Server
from bubblyphone.server import daphne_websocket
from daphne.ws_protocol import WebSocketFactory
from bubblyphone.server.daphne_websocket import DirectWebSocketProtocol, direct_send, take_directly

async def take_every_other(receive, send):
    def take(text):
        if text.startswith("short"):
            send.args[0].send_text("taken: " + text)
            return True
        return False
    take_directly(send, take)
    await repeat(receive, send)

async def talk_on(receive, send):
    leaving = asyncio.ensure_future(receive())
    while not leaving.done():
        await send({"type": "websocket.send", "text": "still talking"})
        await asyncio.sleep(0)
    print(leaving.result()["type"], flush=True)

async def flood(receive, send):
    leaving = asyncio.ensure_future(receive())
    while not leaving.done():
        await send({"type": "websocket.send", "text": "0123456789abcdef" * 65536})
        await asyncio.sleep(0)
    print(leaving.result()["type"], flush=True)

async def repeat(receive, send):
    while (message := await receive())["type"] == "websocket.receive":
        await send(message | {"type": "websocket.send"})

async def repeat_directly(receive, send):
    send_text = direct_send(send)
    while (message := await receive())["type"] == "websocket.receive":
        send_text(message["text"])

async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/parrot":
        return await repeat(receive, send)
    if scope["path"] == "/taker":
        return await take_every_other(receive, send)
    if scope["path"] == "/talker":
        return await talk_on(receive, send)
    if scope["path"] == "/flood":
        return await flood(receive, send)
    if scope["path"] == "/direct":
        return await repeat_directly(receive, send)
    for number in range(400):
        await send({"type": "websocket.send", "text": f"{number}:" + "é" * (number * number)})
    await send({"type": "websocket.send", "bytes": bytes(70000)})
    message = await receive()
    await send({"type": "websocket.send", "text": "you said " + message["text"]})
    await send({"type": "websocket.close", "code": 4001})

WebSocketFactory.protocol = DirectWebSocketProtocol
daphne_websocket.MOST_UNSENT_BYTES = 50_000_000  # more than waits for a reader that is merely slow
DirectWebSocketProtocol.is_direct = sys.argv[2] == "direct"
Server(app, endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"], signal_handlers=False).run()
"""


Server = tuple["subprocess.Popen[str]", int]  # the process and its port


@pytest.fixture(params=["direct", "stock"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """With the short path, and with daphne's own, which is used if the installed versions are not the tested ones."""
    number = find_free()
    command = [sys.executable, "-c", SERVER, str(number), request.param]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, number
        finally:
            process.kill()


async def address(server: Server) -> str:
    while is_free(server[1]):
        await asyncio.sleep(0.1)
    return f"http://127.0.0.1:{server[1]}/"


async def test_messages_of_every_length_arrive_complete(server: Server) -> None:
    lengths = [1, 2, 3, 4, 5, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537, 200_000]
    messages = ["".join(chr(33 + place % 90) for place in range(length)) for length in lengths] + ["é – 今天"]
    async with asyncio.timeout(60):
        url = await address(server)
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}parrot", max_msg_size=0) as socket:
            for text in messages * 2:
                await socket.send_str(text)
            await socket.send_bytes(b"\0\xff")
            assert [await socket.receive_str() for _ in messages * 2] == messages * 2
            assert await socket.receive_bytes() == b"\0\xff"


async def test_frames_in_single_bytes_and_fragmented_messages_are_understood(server: Server) -> None:
    async with asyncio.timeout(60):
        await address(server)
        reader, writer = await asyncio.open_connection("127.0.0.1", server[1])
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        for byte in masked(0x81, b"one by one"):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert await reader.readexactly(12) == b"\x81\x0aone by one"
        # Sent at once: a message in two fragments with a ping between them, and two complete ones.
        writer.write(masked(0x01, b"in ") + masked(0x89, b"!") + masked(0x80, b"parts") + masked(0x81, b"2") * 2)
        assert await reader.readexactly(3) == b"\x8a\x01!"
        assert await reader.readexactly(16) == b"\x81\x08in parts" + b"\x81\x012" * 2
        writer.write(masked(0x81, b"no UTF-8: \xff"))
        head = await reader.readexactly(4)
        assert (head[0], int.from_bytes(head[2:], "big")) == (0x88, 1007)
        writer.close()


HANDSHAKE = (
    b"GET /parrot HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(kind: int, content: bytes) -> bytes:
    """A client frame with less than 126 bytes."""
    mask = b"\x01\x80\xfe\x37"
    body = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
    return bytes([kind, 0x80 | len(content)]) + mask + body


async def test_a_sender_gets_a_disconnect_when_the_other_end_leaves(server: Server) -> None:
    output = server[0].stdout
    assert output is not None
    async with asyncio.timeout(60), aiohttp.ClientSession() as http:
        url = await address(server)
        for _ in range(5):
            async with http.ws_connect(f"{url}talker") as socket:
                assert await socket.receive_str() == "still talking"
        lines = [await asyncio.to_thread(output.readline) for _ in range(5)]
    assert lines == ["websocket.disconnect\n"] * 5


async def test_a_peer_that_stops_reading_is_disconnected_before_memory_fills_up(server: Server) -> None:
    output = server[0].stdout
    assert output is not None
    async with asyncio.timeout(60):
        await address(server)
        reader, writer = await asyncio.open_connection("127.0.0.1", server[1])
        writer.write(HANDSHAKE.replace(b"/parrot", b"/flood"))
        assert await asyncio.to_thread(output.readline) == "websocket.disconnect\n"
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        writer.close()


async def test_frames_arrive_complete_and_in_order_at_a_slow_reader(server: Server) -> None:
    async with asyncio.timeout(60):
        url = await address(server)
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
            await asyncio.sleep(0.5)  # 42 MB do not fit into the socket buffers, so the server has to hold some back
            for number in range(400):
                assert await socket.receive_str() == f"{number}:" + "é" * (number * number)
            assert await socket.receive_bytes() == bytes(70000)
            await socket.send_str("hello")
            assert await socket.receive_str() == "you said hello"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4001


@pytest.mark.parametrize("server", ["direct"], indirect=True)
async def test_frames_sent_directly_arrive_complete_and_in_order(server: Server) -> None:
    messages = [f"{number}:" + "é" * (number * number) for number in range(300)]
    async with asyncio.timeout(60):
        url = await address(server)
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{url}direct", max_msg_size=0) as socket:
            sending = asyncio.create_task(send_all(socket, messages))
            await asyncio.sleep(0.5)  # meanwhile, more data comes back than the socket buffers hold
            assert [await socket.receive_str() for _ in messages] == messages
            await sending


@pytest.mark.parametrize("server", ["direct"], indirect=True)
async def test_a_message_is_taken_in_order_or_left_to_the_reader(server: Server) -> None:
    async with asyncio.timeout(60):
        await address(server)
        reader, writer = await asyncio.open_connection("127.0.0.1", server[1])
        writer.write(HANDSHAKE.replace(b"/parrot", b"/taker"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(0x81, b"short 1"))
        assert await reader.readexactly(2 + 14) == b"\x81\x0etaken: short 1"
        # Sent at once: "short 3" waits behind "long", so the reader gets both.
        writer.write(masked(0x81, b"short 2") + masked(0x81, b"long") + masked(0x81, b"short 3"))
        answers = b"\x81\x0etaken: short 2" + b"\x81\x04long" + b"\x81\x07short 3"
        assert await reader.readexactly(len(answers)) == answers
        writer.close()


async def send_all(socket: aiohttp.ClientWebSocketResponse, texts: list[str]) -> None:
    for text in texts:
        await socket.send_str(text)


def test_the_short_path_is_tested_with_the_installed_versions() -> None:
    """After an update, review the changes to the code that `bubblyphone.server.daphne_websocket` relies on, then set the new versions."""
    assert {name: version(name) for name in PROVEN} == PROVEN
    assert prove() is True


def test_private_names_of_the_server_are_only_used_in_one_file() -> None:
    """Underscored names of daphne, Autobahn and Twisted, wherever we use their objects."""
    autobahn = sys.modules["autobahn.websocket.protocol"]
    theirs = (abstract, http, tcp, daphne_server, http_protocol, ws_protocol, autobahn)
    private = set(re.findall(r"self\.(_[a-z]\w*)", "".join(map(inspect.getsource, theirs))))
    used = {}
    for path in Path(bubblyphone.__file__).parent.glob("*.py"):
        if path.name != "daphne_websocket.py":
            source = path.read_text()
            own = set(re.findall(r"def (_[a-z]\w*)", source))
            used[path.name] = set(re.findall(r"\.(_[a-z]\w*)", source)) & private - own
    assert {name: found for name, found in used.items() if found} == {}
    assert {"_tempDataLen", "_response_started", "_cancelAutoPingTimeoutCall"} <= private


def test_other_versions_use_the_standard_path(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(DirectWebSocketProtocol, "is_direct", True)
    monkeypatch.setattr(daphne_websocket.logger, "propagate", True)
    assert prove({**PROVEN, "autobahn": "99.1"}.__getitem__) is False
    assert DirectWebSocketProtocol.is_direct is False
    assert "autobahn 99.1" in caplog.text
    assert direct_send(partial(print, DirectWebSocketProtocol())) is None
    assert prove(PROVEN.__getitem__) is True
    assert direct_send(partial(print, DirectWebSocketProtocol())) is not None
    assert direct_send(print) is None
