"""A bare relay to measure against. `python -m tests.bench.relay PORT MODEL_URL` moves audio between a carrier's media socket
and a model's socket, and does nothing else. Uses uvloop and `websockets`, splices frames as bytes, and parses nothing.
"""

import asyncio
import sys

import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bubblyphone.server.loop_priority import prioritize_audio


async def _move(source: Connection, target: Connection, key: bytes, prefix: bytes, suffix: bytes) -> None:
    try:
        while True:
            frame = await source.recv(decode=False)
            start = frame.find(key)
            if start >= 0:
                start += len(key)
                await target.send(prefix + frame[start : frame.find(b'"', start)] + suffix, text=True)
    except ConnectionClosed:
        await target.close()


async def _run(port: int, model_url: str) -> None:
    async def relay(media: ServerConnection) -> None:
        async with connect(model_url, compression=None, ping_interval=None) as model:
            await asyncio.gather(
                _move(media, model, b'"payload":"', b'{"type":"input_audio_buffer.append","audio":"', b'"}'),
                _move(model, media, b'"delta":"', b'{"event":"media","media":{"payload":"', b'"}}'),
            )

    async with serve(relay, "127.0.0.1", port, compression=None, ping_interval=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    prioritize_audio()  # as the media process does
    uvloop.run(_run(int(sys.argv[1]), sys.argv[2]))
