"""A server that speaks Gemini Live: setup, activity detection, turns, tools, resumption handles, goAway. Frames are binary.

Validates received messages with the vendor's client types (an invalid one closes the socket with 1007, as in the real service,
and is added to `rejected`), and sent messages with the vendor's server types.
"""

import asyncio
import itertools
from base64 import b64encode
from typing import Any

import orjson
from aiohttp import WSCloseCode
from google.genai import types
from pydantic import ValidationError

from bubblyphone.core.audio import PCM16_24K
from tests.fakes.vendor import EnergyVad, FakeVendor, Reply, Script, VendorSocket, cut

CHUNK_MS = 40

__all__ = ["FakeGemini", "Reply", "Script"]

# As listed in https://ai.google.dev/api/generate-content#SpeechConfig and …/gemini-api/docs/speech-generation#voices.
_LANGUAGES = (
    "de-DE en-AU en-GB en-IN en-US es-US fr-FR hi-IN pt-BR ar-XA es-ES fr-CA id-ID it-IT ja-JP tr-TR vi-VN bn-IN gu-IN kn-IN ml-IN "
    "mr-IN ta-IN te-IN nl-NL ko-KR cmn-CN pl-PL ru-RU th-TH"
)
_VOICES = (
    "Achernar Achird Algenib Algieba Alnilam Aoede Autonoe Callirrhoe Charon Despina Enceladus Erinome Fenrir Gacrux Iapetus Kore "
    "Laomedeia Leda Orus Puck Pulcherrima Rasalgethi Sadachbia Sadaltager Schedar Sulafat Umbriel Vindemiatrix Zephyr Zubenelgenubi"
)
LANGUAGES, VOICES = _LANGUAGES.split(), _VOICES.split()


class FakeGemini(FakeVendor):
    """`base_url` is for GOOGLE_GEMINI_BASE_URL."""

    path = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"

    def __init__(self, script: Script | None = None, **options: Any) -> None:
        super().__init__(script, **options)
        self.rejected: list[str] = []
        self.ids = itertools.count(1)
        self.handles: set[str] = set()
        self.frames_by_connection: list[int] = []

    def setups(self) -> list[dict[str, Any]]:
        """The setup message of each connection."""
        return [message["setup"] for message in self.messages("setup")]

    async def converse(self, socket: VendorSocket, number: int) -> None:
        self.frames_by_connection.append(0)
        await _Connection(self, socket, number).run()


class _Connection:
    def __init__(self, fake: FakeGemini, socket: VendorSocket, number: int) -> None:
        self._fake = fake
        self._script = fake.script
        self._socket = socket
        self._number = number
        self._vad = EnergyVad()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn: asyncio.Task[None] | None = None
        self._calls: dict[str, str] = {}  # id → name
        self._awaits_history = False

    async def run(self) -> None:
        try:
            if not await self._set_up():
                return
            async for message in self._socket:
                await self._receive(orjson.loads(message.data))
        finally:
            for task in self._tasks:
                task.cancel()

    async def _set_up(self) -> bool:
        first = orjson.loads((await self._socket.receive()).data)
        self._fake.received.append(first)
        setup = dict(first.get("setup", {}))
        realtime_input = setup.pop("realtimeInputConfig", {})
        refusal = self._script.refuse_settings
        try:
            types.RealtimeInputConfig.model_validate(realtime_input)
            types.LiveClientMessage.model_validate({"setup": setup})
        except ValidationError as error:
            self._fake.rejected.append(str(error))
            refusal = refusal or "Invalid setup."
        speech = setup.get("generationConfig", {}).get("speechConfig", {})
        voice = speech.get("voiceConfig", {}).get("prebuiltVoiceConfig", {}).get("voiceName", "Kore")
        if voice not in VOICES:
            refusal = f"The voice {voice} does not exist."
        if speech.get("languageCode", "en-US") not in LANGUAGES:
            refusal = f"Unsupported language code '{speech['languageCode']}'."
        handle = setup.get("sessionResumption", {}).get("handle")
        if handle and (self._script.refuse_resumption or handle not in self._fake.handles):
            refusal = "Session not found."
        if refusal:
            await self._socket.close(code=1007, message=refusal.encode())
            return False
        self._awaits_history = bool(setup.get("historyConfig", {}).get("initialHistoryInClientContent"))
        await self._emit({"setupComplete": {"sessionId": self._id("session")}})
        await self._offer_handle()
        return True

    async def _receive(self, message: dict[str, Any]) -> None:
        try:
            checked = types.LiveClientMessage.model_validate(message)
        except ValidationError as error:
            self._fake.rejected.append(str(error))
            await self._socket.close(code=WSCloseCode.INVALID_TEXT, message=b"Invalid message.")
            return
        incoming = checked.realtime_input
        if incoming is not None and incoming.audio is not None:
            await self._hear(incoming.audio.data or b"")
            return
        self._fake.received.append(message)
        if checked.client_content is not None:
            self._awaits_history = False
        elif incoming is not None and incoming.audio_stream_end:
            if self._vad.is_speaking:
                self._vad.is_speaking = False
                await self._answer_speech()
        elif incoming is not None and incoming.text:
            await self._interrupt()
            self._start_turn(self._fake.next_reply())
        elif checked.tool_response is not None:
            await self._take_results(checked.tool_response.function_responses or [])

    async def _take_results(self, responses: list[types.FunctionResponse]) -> None:
        for response in responses:
            if self._calls.pop(str(response.id), None) != response.name:
                await self._socket.close(code=WSCloseCode.INVALID_TEXT, message=b"No such call.")
                return
        if not self._calls:
            self._start_turn(self._fake.next_reply())

    async def _hear(self, pcm: bytes) -> None:
        if self._awaits_history:
            self._fake.rejected.append("audio before the history was complete")
        self._fake.caller_audio.append(pcm)
        self._fake.frames_by_connection[self._number - 1] += 1
        frames = self._fake.frames_by_connection[self._number - 1]
        if self._number <= self._script.drop_connections and frames == self._script.drop_after_frames:
            cut(self._socket)
            return
        if self._number <= self._script.go_away_connections and frames == self._script.go_away_after_frames:
            self._run(self._go_away())
        change = self._vad.hear(pcm, 16000)
        if change == "started":
            await self._interrupt()
        elif change == "stopped":
            await self._answer_speech()

    async def _answer_speech(self) -> None:
        reply = self._fake.next_reply()
        if self._script.words_after_seconds:
            self._run(self._send_transcript(reply.hears))
        else:
            await self._send_transcript(reply.hears)
        self._start_turn(reply)

    async def _send_transcript(self, transcript: str) -> None:
        await asyncio.sleep(self._script.words_after_seconds)
        for piece in _fragments(transcript):
            await self._emit({"serverContent": {"inputTranscription": {"text": piece}}})

    async def _go_away(self) -> None:
        await self._emit({"goAway": {"timeLeft": f"{self._script.go_away_seconds:g}s"}})
        await asyncio.sleep(self._script.go_away_seconds)
        await self._socket.close(code=1001, message=b"Going away.")

    def _start_turn(self, reply: Reply) -> None:
        self._turn = self._run(self._answer(reply))

    async def _answer(self, reply: Reply) -> None:
        if self._script.nonsense:
            for frame in (b"{not json", b"[]", b"\xff\xfe", b'{"serverContent":7}', b'{"brandNewThing":{"a":1}}'):
                await self._socket.send_bytes(frame)
            bad_part = b'{"serverContent":{"modelTurn":{"parts":[7,{"inlineData":{"data":"\\"}"}}]}}}'
            await self._socket.send_bytes(bad_part)
        if reply.commentary:
            await self._speak(Reply(reply.audio, reply.commentary), "IN_PROGRESS")
            await self._end_turn("IN_PROGRESS")
        await self._speak(reply)
        if reply.tool_calls:
            await self._call(reply)
            return
        await self._emit({"serverContent": {"generationComplete": True}})
        await self._end_turn("IDLE" if reply.commentary else "")

    async def _speak(self, reply: Reply, status: str = "") -> None:
        chunk = CHUNK_MS * PCM16_24K.bytes_per_ms
        fragments = _fragments(reply.text)
        for start in range(0, len(reply.audio), chunk):
            data = b64encode(reply.audio[start : start + chunk]).decode()
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": data}}
            content: dict[str, Any] = {"modelTurn": {"role": "model", "parts": [part]}}
            content |= {"interactionStatus": status} if status else {}
            if fragments:
                content["outputTranscription"] = {"text": fragments.pop(0)}
            await self._emit({"serverContent": content})
            await asyncio.sleep(CHUNK_MS / 1000 / self._script.speed)
        for fragment in fragments:
            await self._emit({"serverContent": {"outputTranscription": {"text": fragment}}})

    async def _call(self, reply: Reply) -> None:
        calls = [{"id": self._id("fc"), "name": name, "args": dict(args)} for name, args in reply.tool_calls]
        self._calls = {str(call["id"]): str(call["name"]) for call in calls}
        await self._emit({"toolCall": {"functionCalls": calls}})
        await self._emit({"sessionResumptionUpdate": {"newHandle": "", "resumable": False}})

    async def _interrupt(self) -> None:
        if self._calls:
            await self._emit({"toolCallCancellation": {"ids": list(self._calls)}})
            self._calls = {}
        if self._turn is not None and not self._turn.done():
            self._turn.cancel()
            await self._emit({"serverContent": {"interrupted": True}})
            # Audio in flight when the interruption was detected.
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}
            await self._emit({"serverContent": {"modelTurn": {"role": "model", "parts": [part]}}})
            await self._end_turn()

    async def _end_turn(self, status: str = "") -> None:
        usage = {"promptTokenCount": 1, "responseTokenCount": 1, "totalTokenCount": 2}
        content = {"turnComplete": True, **({"interactionStatus": status} if status else {})}
        await self._emit({"serverContent": content, "usageMetadata": usage})
        await self._offer_handle()

    async def _offer_handle(self) -> None:
        handle = self._id("handle")
        self._fake.handles.add(handle)
        await self._emit({"sessionResumptionUpdate": {"newHandle": handle, "resumable": True}})

    def _run(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _id(self, kind: str) -> str:
        return f"{kind}-{next(self._fake.ids)}"

    async def _emit(self, message: dict[str, Any]) -> None:
        types.LiveServerMessage.model_validate(message)
        await self._socket.send_bytes(orjson.dumps(message))


def _fragments(text: str) -> list[str]:
    """A transcript in the pieces in which it arrives: each word with the space before it."""
    words = text.split(" ") if text else []
    return [word if number == 0 else f" {word}" for number, word in enumerate(words)]
