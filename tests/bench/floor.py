"""The floor to measure against. `python -m tests.bench.floor PORT MODEL_URL` moves audio between a carrier's media socket and a
model's socket, and does nothing else. Uses uvloop and `picows`: one callback cuts the payload out of a frame and sends it in another.
"""

import asyncio
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_connect, ws_create_server

from bubblyphone.server.loop_priority import prioritize_audio


class _Side(WSListener):
    """One of the two sockets. Drops messages that arrive before the other socket is connected: none of them is audio."""

    def __init__(self, key: bytes, prefix: bytes, suffix: bytes) -> None:
        self._key, self._prefix, self._suffix = key, prefix, suffix
        self.transport: WSTransport | None = None
        self.other: _Side | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
            return
        data = frame.get_payload_as_bytes()
        start = data.find(self._key)
        if start >= 0 and self.other is not None and self.other.transport is not None:
            start += len(self._key)
            payload = data[start : data.find(b'"', start)]
            self.other.transport.send(WSMsgType.TEXT, self._prefix + payload + self._suffix)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            self.other.transport.disconnect()


async def _run(port: int, model_url: str) -> None:
    connecting: set[asyncio.Task[None]] = set()

    def media(request: WSUpgradeRequest) -> WSListener:
        carrier = _Side(b'"payload":"', b'{"type":"input_audio_buffer.append","audio":"', b'"}')
        model = _Side(b'"delta":"', b'{"event":"media","media":{"payload":"', b'"}}')
        carrier.other, model.other = model, carrier

        async def connect() -> None:
            await ws_connect(lambda: model, model_url)

        task = asyncio.create_task(connect())
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return carrier

    server = await ws_create_server(media, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    prioritize_audio()  # as the media process does
    uvloop.run(_run(int(sys.argv[1]), sys.argv[2]))
