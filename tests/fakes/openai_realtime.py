"""A server that speaks OpenAI Realtime (GA): conversation items, server VAD, one active response, barge-in, tools.

Validates received messages with the vendor's client types (an invalid one is answered with an `error` event, as in the real
service, and added to `rejected`), and sent messages with the vendor's server types.
"""

import asyncio
import itertools
from base64 import b64decode, b64encode
from typing import Any

import orjson
from aiohttp import WSMsgType
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

from bubblyphone.core.audio import (
    PCM16_24K,
    PCMA_8K,
    PCMU_8K,
    AudioFormat,
    alaw_to_pcm16,
    make_transcoder,
    mulaw_to_pcm16,
)
from tests.fakes.vendor import EnergyVad, FakeVendor, Reply, Script, VendorSocket, cut

CLIENT_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
FORMATS = {"audio/pcmu": PCMU_8K, "audio/pcma": PCMA_8K, "audio/pcm": PCM16_24K}
# ISO 639-1, as the service lists them in its errors.
LANGUAGES = (
    "af ar az be bg bs ca cs cy da de el en es et fa fi fr gl he hi hr hu hy id is it ja kk kn ko lt lv mi mk mr ms ne nl no pl pt "
    "ro ru sk sl sr sv sw ta th tl tr uk ur vi zh"
)
VOICES = {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}
CHUNK_MS = 100
APPEND = '{"type":"input_audio_buffer.append","audio":"'

__all__ = ["FakeOpenAI", "Reply", "Script"]


class FakeOpenAI(FakeVendor):
    """`base_url` is for OPENAI_BASE_URL."""

    path = "/v1/realtime"

    def __init__(self, script: Script | None = None, **options: Any) -> None:
        super().__init__(script, **options)
        self.rejected: list[str] = []
        self.ids = itertools.count(1)

    def url_at(self, origin: str, port: int) -> str:
        return f"{origin}:{port}/v1"

    async def converse(self, socket: VendorSocket, number: int) -> None:
        await (_Parrot if self.script.parrot else _Conversation)(self, socket, number).run()


class _Parrot:
    """Echoes each frame immediately, in one response that never ends."""

    def __init__(self, fake: FakeOpenAI, socket: VendorSocket, number: int) -> None:
        self._fake = fake
        self._socket = socket

    async def run(self) -> None:
        prefix = (
            '{"type":"response.output_audio.delta","event_id":"event_1","response_id":"resp_1","item_id":"item_1",'
            '"output_index":0,"content_index":0,"delta":"'
        )
        session = {"type": "realtime", "object": "realtime.session", "id": "sess_1"}
        await self._socket.send_json({"type": "session.created", "event_id": "event_0", "session": session})
        async for message in self._socket:
            if message.data.startswith(APPEND):
                await self._socket.send_str(prefix + message.data[len(APPEND) : -2] + '"}')
            elif '"session.update"' in message.data:
                await self._socket.send_json({"type": "session.updated", "event_id": "event_1", "session": session})
                response = {"object": "realtime.response", "id": "resp_1", "status": "in_progress", "output": []}
                await self._socket.send_json({"type": "response.created", "event_id": "event_2", "response": response})


class _Conversation:
    def __init__(self, fake: FakeOpenAI, socket: VendorSocket, number: int) -> None:
        self._fake = fake
        self._script = fake.script
        self._socket = socket
        self._drops = number <= fake.script.drop_connections and fake.script.drop_after_frames
        self._frames = 0
        self._session: dict[str, Any] = {"type": "realtime", "object": "realtime.session", "id": self._id("sess")}
        self._input_format: AudioFormat = PCM16_24K
        self._output_format: AudioFormat = PCM16_24K
        self._vad = EnergyVad()
        self._reply: Reply | None = None  # the next one, once its `hears` has been sent
        self._response = ""
        self._task: asyncio.Task[None] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._item_ms: dict[str, float] = {}
        self._calls: set[str] = set()

    async def run(self) -> None:
        await self._emit({"type": "session.created", "session": self._session})
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(message.data)
        finally:
            for task in (self._task, *self._writing):
                if task is not None:
                    task.cancel()

    async def _receive(self, data: str) -> None:
        event = orjson.loads(data)
        try:
            CLIENT_EVENT.validate_python(event)
        except ValidationError as error:
            self._fake.rejected.append(str(error))
            await self._refuse(event, "invalid_value", str(error)[:200])
            return
        if event["type"] == "input_audio_buffer.append":
            await self._hear(event["audio"])
            return
        self._fake.received.append(event)
        match event["type"]:
            case "session.update":
                await self._update_session(event)
            case "response.create":
                if self._response:
                    await self._refuse(event, "conversation_already_has_active_response", "One at a time.")
                else:
                    self._start_response()
            case "response.cancel":
                if event.get("response_id", self._response) != self._response:
                    await self._refuse(event, "response_cancel_not_active", "Cancellation failed.")
                await self._cancel("client_cancelled")
            case "input_audio_buffer.commit":
                self._vad.is_speaking = False
                await self._commit(self._fake.next_reply())
            case "conversation.item.create":
                await self._add_item(event)
            case "conversation.item.truncate":
                await self._truncate(event)

    async def _update_session(self, event: dict[str, Any]) -> None:
        settings = event["session"]
        audio = settings.get("audio", {})
        voice = audio.get("output", {}).get("voice", "marin")
        language = audio.get("input", {}).get("transcription", {}).get("language", "en")
        reason = self._script.refuse_settings or (
            "" if isinstance(voice, dict) or voice in VOICES else "No such voice."
        )
        if not reason and language not in LANGUAGES.split():
            reason = f"Invalid language '{language}'."
        if reason:
            await self._refuse(event, "invalid_value", reason)
            return
        self._session.update(settings)
        self._input_format = FORMATS[audio.get("input", {}).get("format", {}).get("type", "audio/pcm")]
        self._output_format = FORMATS[audio.get("output", {}).get("format", {}).get("type", "audio/pcm")]
        await self._emit({"type": "session.updated", "session": self._session})

    async def _add_item(self, event: dict[str, Any]) -> None:
        item = {"id": self._id("item"), "object": "realtime.item", "status": "completed", **event["item"]}
        if item["type"] == "function_call_output":
            if item["call_id"] not in self._calls:
                await self._refuse(event, "invalid_value", "No such call.")
                return
            self._calls.discard(item["call_id"])
        await self._emit({"type": "conversation.item.added", "item": item})
        await self._emit({"type": "conversation.item.done", "item": item})

    async def _truncate(self, event: dict[str, Any]) -> None:
        item_id, end = event["item_id"], event["audio_end_ms"]
        if end > self._item_ms.get(item_id, -1):
            await self._refuse(event, "invalid_value", "Audio content is shorter than that.")
            return
        await self._emit(
            {"type": "conversation.item.truncated", "item_id": item_id, "content_index": 0, "audio_end_ms": end}
        )

    async def _hear(self, audio: str) -> None:
        raw = b64decode(audio)
        self._fake.caller_audio.append(raw)
        self._frames += 1
        if self._drops and self._frames >= self._drops:
            cut(self._socket)
            return
        decode = {"pcmu": mulaw_to_pcm16, "pcma": alaw_to_pcm16}.get(self._input_format.encoding)
        change = self._vad.hear(decode(raw) if decode else raw, self._input_format.sample_rate)
        if change == "started":
            item_id = f"item_caller_{self._frames}"
            await self._emit({"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": item_id})
            if self._session["audio"]["input"]["turn_detection"]["interrupt_response"]:
                await self._cancel("turn_detected")
        elif change == "stopped":
            item_id = f"item_caller_{self._frames}"
            await self._emit({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 0, "item_id": item_id})
            await self._answer_speech()

    async def _commit(self, reply: Reply) -> None:
        """The heard audio becomes an item, followed by its text."""
        item_id = f"item_caller_{self._frames}"
        await self._emit({"type": "input_audio_buffer.committed", "item_id": item_id, "previous_item_id": None})
        if not reply.hears:
            return
        if not self._script.words_after_seconds:
            await self._send_transcript(item_id, reply.hears)
            return
        task = asyncio.create_task(self._send_transcript(item_id, reply.hears))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _send_transcript(self, item_id: str, transcript: str) -> None:
        await asyncio.sleep(self._script.words_after_seconds)
        usage = {"type": "duration", "seconds": 1.0}
        done = {"item_id": item_id, "content_index": 0, "transcript": transcript, "usage": usage}
        await self._emit({"type": "conversation.item.input_audio_transcription.completed", **done})

    async def _answer_speech(self) -> None:
        if self._script.leaves_speech_unanswered:
            await self._commit(Reply())
            return
        if self._response:
            await self._commit(Reply())
            await self._refuse({}, "conversation_already_has_active_response", "One at a time.")
            return
        reply = self._fake.next_reply()
        await self._commit(reply)
        self._start_response(reply)

    def _start_response(self, reply: Reply | None = None) -> None:
        self._response = self._id("resp")
        self._task = asyncio.create_task(self._respond(self._response, reply or self._fake.next_reply()))

    async def _respond(self, response: str, reply: Reply) -> None:
        if self._script.nonsense:
            for frame in ("{not json", "[]", '{"type":7}', '{"type":"brand.new.event","event_id":"event_x"}'):
                await self._socket.send_str(frame)
            await self._socket.send_str(
                '{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"\\"}"}'
            )
        await self._emit({"type": "response.created", "response": self._response_object("in_progress")})
        if self._session.get("output_modalities") == ["text"]:
            await self._write(response, reply)
        elif reply.audio or reply.text:
            if reply.commentary:
                await self._speak(response, Reply(reply.audio, reply.commentary), "commentary")
            await self._speak(response, reply, "final_answer" if reply.commentary else "")
        for index, (name, arguments) in enumerate(reply.tool_calls):
            await self._call(response, index, name, orjson.dumps(arguments).decode())
        self._response = ""
        await self._emit({"type": "response.done", "response": self._response_object("completed", response)})

    async def _speak(self, response: str, reply: Reply, phase: str = "") -> None:
        item_id = self._id("item")
        place = {"response_id": response, "item_id": item_id, "output_index": 0, "content_index": 0}
        item = {"id": item_id, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
        item |= {"phase": phase} if phase else {}
        await self._emit(
            {"type": "response.output_item.added", "response_id": response, "output_index": 0, "item": item}
        )
        chunk = CHUNK_MS * PCM16_24K.bytes_per_ms
        transcode = make_transcoder(PCM16_24K, self._output_format) or str
        words = reply.text.split(" ")
        for number, start in enumerate(range(0, len(reply.audio), chunk)):
            if number < len(words):
                delta = words[number] if number == 0 else f" {words[number]}"
                await self._emit({"type": "response.output_audio_transcript.delta", **place, "delta": delta})
            piece = reply.audio[start : start + chunk]
            payload = transcode(b64encode(piece).decode())
            self._item_ms[item_id] = self._item_ms.get(item_id, 0) + len(piece) / PCM16_24K.bytes_per_ms
            await self._emit({"type": "response.output_audio.delta", **place, "delta": payload})
            await asyncio.sleep(CHUNK_MS / 1000 / self._script.speed)
        await self._emit({"type": "response.output_audio.done", **place})
        await self._emit({"type": "response.output_audio_transcript.done", **place, "transcript": reply.text})
        done = {**item, "status": "completed", "content": [{"type": "output_audio", "transcript": reply.text}]}
        await self._emit(
            {"type": "response.output_item.done", "response_id": response, "output_index": 0, "item": done}
        )

    async def _write(self, response: str, reply: Reply) -> None:
        """The answer of a text session, word by word."""
        if not reply.text:
            return
        item_id = self._id("item")
        place = {"response_id": response, "item_id": item_id, "output_index": 0, "content_index": 0}
        for number, word in enumerate(reply.text.split(" ")):
            delta = word if number == 0 else f" {word}"
            await self._emit({"type": "response.output_text.delta", **place, "delta": delta})
        await self._emit({"type": "response.output_text.done", **place, "text": reply.text})

    async def _call(self, response: str, index: int, name: str, arguments: str) -> None:
        call_id, item_id = self._id("call"), self._id("item")
        self._calls.add(call_id)
        place = {"response_id": response, "output_index": index}
        item = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        await self._emit({"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress"}})
        done = {"item_id": item_id, "call_id": call_id, "name": name, "arguments": arguments}
        await self._emit({"type": "response.function_call_arguments.done", **place, **done})
        await self._emit({"type": "response.output_item.done", **place, "item": {**item, "status": "completed"}})

    async def _cancel(self, reason: str) -> None:
        response, self._response = self._response, ""
        if not response or self._task is None:
            return
        self._task.cancel()
        if reason == "turn_detected" and self._item_ms:
            # Audio in flight when the speech was detected.
            late = {"response_id": response, "item_id": list(self._item_ms)[-1], "output_index": 0, "content_index": 0}
            await self._emit({"type": "response.output_audio.delta", **late, "delta": b64encode(bytes(320)).decode()})
        await self._emit({"type": "response.done", "response": self._response_object("cancelled", response, reason)})

    def _response_object(self, status: str, response: str = "", reason: str = "") -> dict[str, Any]:
        details = {"type": "cancelled", "reason": reason} if reason else None
        return {
            "object": "realtime.response",
            "id": response or self._response,
            "status": status,
            "status_details": details,
            "output": [],
        }

    async def _refuse(self, event: dict[str, Any], code: str, message: str) -> None:
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": message,
            "param": None,
            "event_id": event.get("event_id"),
        }
        await self._emit({"type": "error", "error": error})

    def _id(self, kind: str) -> str:
        return f"{kind}_{next(self._fake.ids)}"

    async def _emit(self, event: dict[str, Any]) -> None:
        event = {"type": event["type"], "event_id": self._id("event"), **event}  # in the vendor's order
        SERVER_EVENT.validate_python(event)
        await self._socket.send_str(orjson.dumps(event).decode())
