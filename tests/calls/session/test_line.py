"""A line over several media connections, one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from calls.session.line import CarrierLine
from calls.session.transport import CarrierTransport, LineBack, LineBroken
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from tests.calls.scripted import FRAME
from tests.virtual_time import settled, until

pytestmark = pytest.mark.virtual_time


class Wire:
    """The carrier's end of a media socket."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[Any] = []
        self.transport = CarrierTransport(TelnyxMediaProtocol, self.incoming.get, self._send)

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def say(self, event: str, **fields: Any) -> None:
        self.incoming.put_nowait(
            {"type": "websocket.receive", "text": orjson.dumps({"event": event, **fields}).decode()}
        )

    def speak(self) -> None:
        self.say("media", media={"track": "inbound", "chunk": "1", "timestamp": "0", "payload": FRAME})

    def cut(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def started(self, rate: int = 8000, encoding: str = "PCMU") -> "Wire":
        media_format = {"encoding": encoding, "sample_rate": rate, "channels": 1}
        self.say("start", start={"call_control_id": "v3:x", "media_format": media_format}, stream_id="s")
        await self.transport.wait_for_start()
        return self


@asynccontextmanager
async def line(*, may_restart: bool = True) -> AsyncIterator[Any]:
    restarts: list[bool] = []

    async def restart() -> bool:
        restarts.append(may_restart)
        return may_restart

    first = await Wire().started()
    carrier_line = CarrierLine(first.transport, restart)
    heard: list[Any] = []

    async def listen() -> None:
        async for frame in carrier_line.frames():
            heard.append(frame)  # noqa: PERF401  read while it grows

    task = asyncio.create_task(listen())
    yield first, carrier_line, heard, restarts, task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("how", ["cut", "stop"])
async def test_a_new_connection_replaces_a_broken_one(how: str) -> None:
    async with line() as (first, carrier_line, heard, restarts, task):
        first.speak()
        first.cut() if how == "cut" else first.say("stop", stop={})
        await until(lambda: restarts)
        assert first.transport.left.is_set()
        second = await Wire().started()
        assert carrier_line.attach(second.transport)
        second.speak()
        await settled()
        assert heard == [FRAME, LineBroken(), LineBack(), FRAME]
        await carrier_line.send_audio(FRAME)
        assert len(second.sent) == 1
        carrier_line.leave()
        assert second.transport.left.is_set()
        assert not task.done()


@pytest.mark.parametrize("may_restart", [True, False])
async def test_a_line_that_is_not_reconnected_ends(may_restart: bool) -> None:
    async with line(may_restart=may_restart) as (first, _, heard, restarts, task):
        first.cut()
        await asyncio.wait_for(task, 30)
        assert (heard, restarts) == ([LineBroken()], [may_restart])


async def test_a_connection_in_another_format_is_refused() -> None:
    async with line() as (_, carrier_line, _, _, _):
        assert not carrier_line.attach((await Wire().started(encoding="PCMA")).transport)
