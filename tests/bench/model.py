"""A model that speaks OpenAI's Realtime protocol. It echoes each frame immediately, or speaks and is interrupted."""

import asyncio
import time
from base64 import b64encode

import orjson
from aiohttp import WSMsgType, web

from tests.bench.frames import REALTIME, read_tag
from tests.bench.rows import WRITES
from tests.fakes.vendor import FakeVendor

# What the model says before the caller interrupts: 2 s, far more than is played by then.
SPEECH = b64encode(bytes([0xFF]) * 16000).decode()
SPEAKS_SECONDS = 0.15
PAUSE_SECONDS = 0.25
TURN_SECONDS = SPEAKS_SECONDS + PAUSE_SECONDS
# Both sides' words come as text after so many frames: every two seconds.
WRITTEN_FRAMES = 100


class EchoModel(FakeVendor):
    """`base_url` is for OPENAI_BASE_URL."""

    path = "/v1/realtime"

    def __init__(self) -> None:
        super().__init__()
        self.conversations: dict[int, Conversation] = {}  # by call number, once the call's first frame has arrived

    def url_at(self, origin: str, port: int) -> str:
        return f"{origin}:{port}/v1"

    @property
    def socket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1) + "/realtime"

    async def converse(self, socket: web.WebSocketResponse, number: int) -> None:
        await Conversation(self, socket).run()


class Conversation:
    """One session. When echoing, it is a single response that never ends."""

    def __init__(self, model: EchoModel, socket: web.WebSocketResponse) -> None:
        self._model = model
        self._socket = socket
        self._call: int | None = None
        self._is_echo = True
        self._turn = 0
        self._writes = False
        self._frames = 0
        self._prefix = self._delta_prefix()

    async def run(self) -> None:
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
        await self._send({"type": "session.created", "session": session})
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                return
            if message.data.startswith(REALTIME.prefix):
                payload = message.data[len(REALTIME.prefix) : -len(REALTIME.suffix)]
                if self._call is None:
                    self._introduce(payload)
                if self._is_echo:
                    await self._socket.send_str(self._prefix + payload + '"}')
                self._frames += 1
                if self._writes and self._frames % WRITTEN_FRAMES == 0:
                    await self._write_down()
            elif '"session.update"' in message.data:
                self._writes = WRITES in message.data
                await self._send({"type": "session.updated", "session": session})
                await self._send({"type": "response.created", "response": self._response("in_progress")})

    async def interruptions(self, seconds: float, delay: float) -> list[float]:
        """Speak and be interrupted repeatedly. Returns the times when the caller's speech was reported."""
        await asyncio.sleep(delay)
        self._is_echo = False
        await self._send({"type": "response.done", "response": self._response("completed")})
        reported = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._turn += 1
            await self._send({"type": "response.created", "response": self._response("in_progress")})
            await self._socket.send_str(self._delta_prefix() + SPEECH + '"}')
            await asyncio.sleep(SPEAKS_SECONDS)
            reported.append(time.perf_counter())
            await self._send(
                {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_caller"}
            )
            await self._send({"type": "response.done", "response": self._response("cancelled")})
            await asyncio.sleep(PAUSE_SECONDS)
        return reported

    async def _write_down(self) -> None:
        heard = {"item_id": f"item_caller_{self._frames}", "transcript": "Are you open on Saturday mornings?"}
        await self._send({"type": "conversation.item.input_audio_transcription.completed", "content_index": 0, **heard})
        said = {"item_id": f"item_{self._turn}", "transcript": "Yes, from nine to one."}
        await self._send({"type": "response.output_audio_transcript.done", "content_index": 0, **said})

    def _introduce(self, payload: str) -> None:
        if tag := read_tag(payload):
            self._call = tag[0]
            self._model.conversations[self._call] = self

    def _response(self, status: str) -> dict[str, object]:
        return {"object": "realtime.response", "id": f"resp_{self._turn}", "status": status, "output": []}

    def _delta_prefix(self) -> str:
        return (
            f'{{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_{self._turn}",'
            f'"item_id":"item_{self._turn}","output_index":0,"content_index":0,"delta":"'
        )

    async def _send(self, event: dict[str, object]) -> None:
        await self._socket.send_str(orjson.dumps({"event_id": "event_1", **event}).decode())
