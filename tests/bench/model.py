"""A model that speaks OpenAI's Realtime protocol. It echoes each frame immediately, or speaks and is interrupted."""

import asyncio
import time
from base64 import b64encode
from types import TracebackType
from typing import Self

import orjson
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from tests.bench.frames import REALTIME, read_tag
from tests.bench.rows import WRITES

# What the model says before the caller interrupts: 2 s, far more than is played by then.
SPEECH = b64encode(bytes([0xFF]) * 16000)
SPEAKS_SECONDS = 0.15
PAUSE_SECONDS = 0.25
TURN_SECONDS = SPEAKS_SECONDS + PAUSE_SECONDS
# Both sides' words come as text after so many frames: every two seconds.
WRITTEN_FRAMES = 100
SESSION = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}


class EchoModel:
    """Use as `async with EchoModel() as model`. `base_url` is for OPENAI_BASE_URL, `socket_url` for a bare relay."""

    def __init__(self) -> None:
        self.base_url = self.socket_url = ""
        self.conversations: dict[int, Conversation] = {}  # by call number, once the call's first frame has arrived

    async def __aenter__(self) -> Self:
        self._server = await ws_create_server(lambda request: Conversation(self), "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url, self.socket_url = f"http://127.0.0.1:{port}/v1", f"ws://127.0.0.1:{port}/v1/realtime"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()


class Conversation(WSListener):
    """One session. When echoing, it is a single response that never ends."""

    def __init__(self, model: EchoModel) -> None:
        self._model = model
        self._transport: WSTransport | None = None
        self._call: int | None = None
        self._is_echo = True
        self._turn = 0
        self._writes = False
        self._frames = 0
        self._prefix = self._delta_prefix()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._send({"type": "session.created", "session": SESSION})

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        if message.startswith(REALTIME.prefix):
            payload = message[len(REALTIME.prefix) : -len(REALTIME.suffix)]
            if self._call is None:
                self._introduce(payload)
            if self._is_echo:
                self._send_text(self._prefix + payload + b'"}')
            self._frames += 1
            if self._writes and self._frames % WRITTEN_FRAMES == 0:
                self._write_down()
        elif b'"session.update"' in message:
            self._writes = WRITES.encode() in message
            self._send({"type": "session.updated", "session": SESSION})
            self._send({"type": "response.created", "response": self._response("in_progress")})

    async def interruptions(self, seconds: float, delay: float) -> list[float]:
        """Speak and be interrupted repeatedly. Returns the times when the caller's speech was reported."""
        await asyncio.sleep(delay)
        self._is_echo = False
        self._send({"type": "response.done", "response": self._response("completed")})
        reported = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._turn += 1
            self._send({"type": "response.created", "response": self._response("in_progress")})
            self._send_text(self._delta_prefix() + SPEECH + b'"}')
            await asyncio.sleep(SPEAKS_SECONDS)
            reported.append(time.perf_counter())
            self._send({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_caller"})
            self._send({"type": "response.done", "response": self._response("cancelled")})
            await asyncio.sleep(PAUSE_SECONDS)
        return reported

    def _write_down(self) -> None:
        heard = {"item_id": f"item_caller_{self._frames}", "transcript": "Are you open on Saturday mornings?"}
        self._send({"type": "conversation.item.input_audio_transcription.completed", "content_index": 0, **heard})
        transcript = {"item_id": f"item_{self._turn}", "transcript": "Yes, from nine to one."}
        self._send({"type": "response.output_audio_transcript.done", "content_index": 0, **transcript})

    def _introduce(self, payload: bytes) -> None:
        if tag := read_tag(payload):
            self._call = tag[0]
            self._model.conversations[self._call] = self

    def _response(self, status: str) -> dict[str, object]:
        return {"object": "realtime.response", "id": f"resp_{self._turn}", "status": status, "output": []}

    def _delta_prefix(self) -> bytes:
        return (
            f'{{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_{self._turn}",'
            f'"item_id":"item_{self._turn}","output_index":0,"content_index":0,"delta":"'
        ).encode()

    def _send(self, event: dict[str, object]) -> None:
        self._send_text(orjson.dumps({"event_id": "event_1", **event}))

    def _send_text(self, message: bytes) -> None:
        """Does nothing once the connection has ended."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)
