"""Frames on daphne's own sockets: whole, in order and unchanged, also for a reader that falls behind."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest

from bubblyphone.services.ports import find_free, is_free

SERVER = """
import sys
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory
from bubblyphone.websocket import DirectWebSocketProtocol

async def app(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    for number in range(400):
        await send({"type": "websocket.send", "text": f"{number}:" + "é" * (number * number)})
    await send({"type": "websocket.send", "bytes": bytes(70000)})
    message = await receive()
    await send({"type": "websocket.send", "text": "you said " + message["text"]})
    await send({"type": "websocket.close", "code": 4001})

WebSocketFactory.protocol = DirectWebSocketProtocol
Server(app, endpoints=[f"tcp:port={sys.argv[1]}:interface=127.0.0.1"], signal_handlers=False).run()
"""


@pytest.fixture
def port() -> Iterator[int]:
    number = find_free()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(number)]) as process:
        try:
            yield number
        finally:
            process.kill()


async def test_frames_arrive_whole_and_in_order_at_a_slow_reader(port: int) -> None:
    async with asyncio.timeout(60):
        while is_free(port):
            await asyncio.sleep(0.1)
        url = f"http://127.0.0.1:{port}/"
        async with aiohttp.ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
            await asyncio.sleep(0.5)  # 42 MB do not fit into the sockets' buffers: the server has to hold some back
            for number in range(400):
                assert await socket.receive_str() == f"{number}:" + "é" * (number * number)
            assert await socket.receive_bytes() == bytes(70000)
            await socket.send_str("hello")
            assert await socket.receive_str() == "you said hello"
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            assert socket.close_code == 4001
