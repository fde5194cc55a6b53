"""OpenAI Realtime, GA protocol. The official SDK checks the configuration and provides the URL and headers; frames go over our own
socket (model_socket), because the SDK's needs several times as much CPU for each 20 ms of audio.

https://platform.openai.com/docs/guides/realtime
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import orjson
from openai import AsyncOpenAI

from agents.providers import audio_messages
from agents.providers.base import ProviderError, RealtimeModel, RealtimeSession, SessionConfig
from agents.providers.connecting import closed_message, connecting, open_socket, websocket_url
from agents.providers.message_fields import child, parse_object, text
from agents.providers.model_events import (
    AudioDelta,
    InputTranscript,
    ModelEvent,
    OutputText,
    OutputTranscript,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    TurnDone,
)
from agents.providers.model_socket import ModelSocket, ModelSocketClosed
from agents.providers.openai_setup import VENDOR, WIRE_FORMATS, configure, history_item, session_settings, written_item
from bubblyphone.core.audio import PCM16_24K, AudioFormat, is_payload

logger = logging.getLogger(__name__)

AUDIO_DELTA, SPEECH_STARTED = "response.output_audio.delta", "input_audio_buffer.speech_started"
ALREADY_ANSWERING = "conversation_already_has_active_response"
# If the vendor has not started to answer within this time, it will not.
ANSWER_SECONDS = 2.0
# For an account without credit or permissions, a reconnect would not help.
LASTING_FAILURES = frozenset({"insufficient_quota", "invalid_api_key", "billing_hard_limit_reached", "model_not_found"})

Event = Mapping[str, Any]


class OpenAIRealtimeModel(RealtimeModel):
    """Sessions at `base_url` (http:// gives ws://), with the platform's key or the developer's own."""

    def __init__(
        self,
        api_key: str = "",
        base_url: str = "https://api.openai.com/v1",
        transcription_model: str = "gpt-4o-mini-transcribe",
    ) -> None:
        self._api_key = api_key
        self._transcription_model = transcription_model
        # One client for all sessions: it has no connection, and creating one reads the certificate store.
        self._client = AsyncOpenAI(api_key=api_key or "none", base_url=base_url, max_retries=0)

    def is_available(self) -> bool:
        return bool(self._api_key)

    async def connect(self, config: SessionConfig) -> "OpenAIRealtimeSession":
        api_key = config.api_key or self._api_key
        if not api_key:
            raise ProviderError("No OpenAI API key is configured.", retryable=False)
        client = self._client.with_options(api_key=api_key)
        audio_format = config.caller_format if config.caller_format in WIRE_FORMATS else PCM16_24K
        socket: ModelSocket | None = None
        try:
            async with connecting(VENDOR):
                socket = await open_socket(_url(client, config.upstream_model), _headers(client))
                await configure(socket, session_settings(config, audio_format, self._transcription_model))
                for turn in config.history:
                    socket.send(orjson.dumps(history_item(turn)))
        except BaseException:
            if socket is not None:
                await socket.close()
            raise
        session = OpenAIRealtimeSession(socket, audio_format, is_interruptible=config.interruptible)
        session.speaks_during_tools = config.capabilities.async_tools
        return session


def _url(client: AsyncOpenAI, upstream_model: str) -> str:
    """The URL for a session with this model."""
    base = client.base_url
    path, separator, query = base.raw_path.partition(b"?")
    url = base.copy_with(raw_path=path.rstrip(b"/") + b"/realtime" + separator + query)
    return websocket_url(str(url.copy_merge_params({"model": upstream_model})))


def _headers(client: AsyncOpenAI) -> dict[str, str]:
    """The SDK's headers; the value of a header that it omits is not a string."""
    headers = {**client.auth_headers, **client.default_headers}
    return {name: value for name, value in headers.items() if isinstance(value, str)}


class OpenAIRealtimeSession(RealtimeSession):
    """One Realtime conversation. The vendor detects the caller's turns, cancels its answer on barge-in, and answers on its
    own. We create responses only for our own texts and for tool results, and never while another response is active."""

    is_direct = True

    def __init__(self, socket: ModelSocket, audio_format: AudioFormat, *, is_interruptible: bool = True) -> None:
        self._is_interruptible = is_interruptible
        self.input_format = self.output_format = audio_format
        self._socket = socket
        self._closed = False
        self._active_response = ""  # id, from response.created to response.done
        self._canceled_response = ""  # id; its further output is dropped
        self._caller_has_the_turn = False  # from the start of speech until the vendor answers it
        self._caller_finished_at: float | None = None  # within that turn
        self._is_hearing = False  # during an utterance of the caller
        self._unwritten: set[str] = set()  # item ids of utterances without a transcript yet
        self._written: deque[str] = deque(maxlen=20)  # item ids of the last utterances with a transcript
        self._request: tuple[str, dict[str, Any]] = ("", {})  # the last response.create: event id, response
        self._request_is_open = False  # sent, but neither created nor refused yet
        self._request_count = 0
        self._wanted: deque[dict[str, Any]] = deque()  # responses to create when none is active
        self._open_calls: set[str] = set()
        self._reply_is_due = False  # all calls are answered, and the model has not continued yet
        self._texts: dict[str, str] = {}  # item id → transcript of an unreported answer
        self._commentary: set[str] = set()  # item ids of commentary before the final answer
        self._sounding_item = ""  # id of the last answer with audio
        self._cut_audio = audio_messages.OpenAICutter().cut
        self._handlers: dict[str, Callable[[Event], Awaitable[list[ModelEvent]]]] = {
            SPEECH_STARTED: self._on_speech_started,
            "input_audio_buffer.speech_stopped": self._on_speech_stopped,
            "input_audio_buffer.committed": self._on_committed,
            "conversation.item.input_audio_transcription.completed": self._on_input_transcript,
            "conversation.item.input_audio_transcription.failed": self._on_input_transcript,
            "response.created": self._on_response_created,
            "response.output_audio_transcript.delta": self._on_transcript_delta,
            "response.output_audio_transcript.done": self._on_transcript_done,
            "response.output_text.delta": self._on_text_delta,
            "response.output_text.done": self._on_text_done,
            "response.output_item.added": self._on_item_added,
            "response.output_item.done": self._on_item_done,
            "response.done": self._on_response_done,
            "error": self._on_error,
        }

    async def send_audio(self, payload: str) -> None:
        try:
            self._socket.send(f'{{"type":"input_audio_buffer.append","audio":"{payload}"}}')
        except ModelSocketClosed as error:
            raise ProviderError(closed_message(VENDOR, error), retryable=True) from error

    async def send_text(self, text: str) -> None:
        await self._send(written_item(text))
        self._wanted.append({})
        await self._create_next_response()

    async def generate_reply(self, instructions: str) -> None:
        self._wanted.append({"instructions": instructions})
        await self._create_next_response()

    async def send_context(self, message: str) -> None:
        content = [{"type": "input_text", "text": message}]
        await self._send(
            {"type": "conversation.item.create", "item": {"type": "message", "role": "system", "content": content}}
        )

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        await self._send(
            {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": heard_ms}
        )

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        output = orjson.dumps(result).decode()
        await self._send(
            {
                "type": "conversation.item.create",
                "item": {"type": "function_call_output", "call_id": call_id, "output": output},
            }
        )
        self._open_calls.discard(call_id)
        self._reply_is_due = True
        await self._create_next_response()

    @property
    def owes_words(self) -> bool:
        return self._is_hearing or bool(self._unwritten)

    async def end_input(self) -> None:
        if self._is_hearing:  # the vendor would wait for a pause in audio that no longer arrives
            await self._send({"type": "input_audio_buffer.commit"})

    def unfinished(self) -> list[InputTranscript | OutputTranscript]:
        return [*self._finished_texts()]

    async def close(self) -> None:
        self._closed = True
        await self._socket.close()

    def _take(self, message: bytes) -> bool:
        """Pass audio, and the start of the caller's speech, to the sinks immediately. The reader gets everything else."""
        if self.audio_sink is None:
            return False
        if (audio := self._cut_audio(message)) is None:
            return self._take_speech(message)
        response_id, item_id, payload = audio
        if response_id == self._canceled_response:
            return True
        self._sounding_item = item_id
        return self.audio_sink(item_id, payload)

    def _take_speech(self, message: bytes) -> bool:
        if self.speech_sink is None or SPEECH_STARTED.encode() not in message:
            return False
        if text(parse_object(message) or {}, "type") != SPEECH_STARTED or not self.speech_sink():
            return False
        self._caller_began()
        return True

    async def events(self) -> AsyncIterator[ModelEvent]:
        self._socket.take = self._take
        while True:
            try:
                frame = await self._socket.recv()
            except ModelSocketClosed as error:
                if self._closed:
                    return
                for unfinished in self._finished_texts():
                    yield unfinished
                raise ProviderError(closed_message(VENDOR, error), retryable=True) from error
            event = parse_object(frame)
            if event is None:
                continue
            kind = text(event, "type")
            if kind == AUDIO_DELTA:
                payload = event.get("delta")
                if text(event, "response_id") != self._canceled_response and is_payload(payload):
                    self._sounding_item = text(event, "item_id")
                    yield AudioDelta(self._sounding_item, str(payload))
            elif handler := self._handlers.get(kind):
                for model_event in await handler(event):
                    yield model_event

    async def _on_speech_started(self, event: Event) -> list[ModelEvent]:
        self._caller_began()
        return [SpeechStarted()]

    def _caller_began(self) -> None:
        self._is_hearing = True
        self._caller_has_the_turn, self._caller_finished_at = True, None
        if self._is_interruptible:
            self._canceled_response = self._active_response

    async def _on_speech_stopped(self, event: Event) -> list[ModelEvent]:
        self._caller_finished_at = asyncio.get_running_loop().time()
        self._expect_words(text(event, "item_id"))
        return [SpeechStopped()]

    async def _on_committed(self, event: Event) -> list[ModelEvent]:
        self._expect_words(text(event, "item_id"))
        return []

    def _expect_words(self, item_id: str) -> None:
        """The caller's utterance is complete; its text follows."""
        self._is_hearing = False
        if item_id and item_id not in self._written:
            self._unwritten.add(item_id)

    async def _on_input_transcript(self, event: Event) -> list[ModelEvent]:
        self._unwritten.discard(text(event, "item_id"))
        self._written.append(text(event, "item_id"))
        transcript = text(event, "transcript").strip()
        return [InputTranscript(transcript)] if transcript else []

    async def _on_response_created(self, event: Event) -> list[ModelEvent]:
        self._active_response = text(child(event, "response"), "id")
        if self._request_is_open:
            self._request_is_open = False
            if self._caller_has_the_turn and self._caller_finished_at is None and self._is_interruptible:
                await self._withdraw(self._request[1])
        else:
            # The vendor answers the caller automatically, including the tool results that it has.
            self._caller_has_the_turn = False
            self._reply_is_due = False
        return []

    async def _withdraw(self, response: dict[str, Any]) -> None:
        """Our request crossed the start of the caller's speech: send it after the answer to that speech."""
        if response:
            self._wanted.appendleft(response)
        else:
            self._reply_is_due = True
        self._canceled_response = self._active_response
        await self._send({"type": "response.cancel", "response_id": self._active_response})

    async def _on_transcript_delta(self, event: Event) -> list[ModelEvent]:
        item_id = text(event, "item_id")
        self._texts[item_id] = self._texts.get(item_id, "") + text(event, "delta")
        return []

    async def _on_transcript_done(self, event: Event) -> list[ModelEvent]:
        item_id = text(event, "item_id")
        self._texts[item_id] = text(event, "transcript") or self._texts.get(item_id, "")
        return [*self._finished_texts()]

    async def _on_text_delta(self, event: Event) -> list[ModelEvent]:
        await self._on_transcript_delta(event)
        return [OutputText(text(event, "item_id"), text(event, "delta"))]

    async def _on_text_done(self, event: Event) -> list[ModelEvent]:
        return await self._on_transcript_done({**event, "transcript": text(event, "text")})

    def _finished_texts(self) -> list[OutputTranscript]:
        finished = [
            OutputTranscript(item_id, words, item_id in self._commentary)
            for item_id, words in self._texts.items()
            if words.strip()
        ]
        self._texts.clear()
        return finished

    async def _on_item_added(self, event: Event) -> list[ModelEvent]:
        # "commentary" or "final_answer", for reasoning models; the SDK's types lack the field.
        item = child(event, "item")
        if text(item, "phase") == "commentary":
            self._commentary.add(text(item, "id"))
        return []

    async def _on_item_done(self, event: Event) -> list[ModelEvent]:
        # Not response.function_call_arguments.done, because not every version of the service includes the function's name.
        item = child(event, "item")
        if text(item, "type") != "function_call" or text(item, "status") == "incomplete":
            return []
        call_id, name = text(item, "call_id"), text(item, "name")
        self._open_calls.add(call_id)
        arguments = parse_object(text(item, "arguments") or "{}")
        if arguments is None:
            await self.send_tool_result(call_id, name, {"error": "The arguments are not a JSON object."})
            return []
        return [ToolCall(call_id, name, arguments)]

    async def _on_response_done(self, event: Event) -> list[ModelEvent]:
        response = child(event, "response")
        self._active_response = ""
        if text(response, "status") == "failed":
            failure = child(child(response, "status_details"), "error")
            code = text(failure, "code") or text(failure, "type") or "unknown"
            message = f"{VENDOR} failed to respond ({code}). {text(failure, 'message')}".strip()
            raise ProviderError(message, retryable=code not in LASTING_FAILURES)
        if text(response, "status") == "cancelled":  # text without audio was not spoken
            self._texts = {item_id: words for item_id, words in self._texts.items() if item_id == self._sounding_item}
        finished = self._finished_texts()
        await self._create_next_response()
        return [*finished, TurnDone()]

    async def _on_error(self, event: Event) -> list[ModelEvent]:
        error = child(event, "error")
        request_id, response = self._request
        if request_id and text(error, "event_id") == request_id:
            self._request_is_open = False
            if text(error, "code") == ALREADY_ANSWERING:
                # Our response and the vendor's own crossed: send ours after that one.
                self._wanted.appendleft(response)
                return []
        elif text(error, "code") == ALREADY_ANSWERING:
            # The vendor tried to answer the caller while its previous answer was still active.
            self._caller_has_the_turn, self._reply_is_due = False, True
            return []
        logger.warning("OpenAI reported an error", extra={"code": text(error, "code"), "type": text(error, "type")})
        return []

    @property
    def _is_callers_turn(self) -> bool:
        """Whether the caller is speaking, or has just spoken and is about to get an answer."""
        finished_at = self._caller_finished_at
        is_waiting = finished_at is None or asyncio.get_running_loop().time() - finished_at < ANSWER_SECONDS
        return self._caller_has_the_turn and is_waiting

    async def _create_next_response(self) -> None:
        """Request the next pending answer, if the model is free and the caller is not speaking."""
        if self._active_response or self._request_is_open or self._is_callers_turn:
            return
        if self._wanted:
            response = self._wanted.popleft()
        elif self._reply_is_due and not self._open_calls:
            response = {}
            self._reply_is_due = False
        else:
            return
        self._request_count += 1
        self._request = (f"reply_{self._request_count}", response)
        self._request_is_open = True
        await self._send({"type": "response.create", "event_id": self._request[0], "response": response})

    async def _send(self, event: Event) -> None:
        self._send_text(orjson.dumps(event))

    def _send_text(self, message: str | bytes) -> None:
        try:
            self._socket.send(message)
        except ModelSocketClosed as error:
            raise ProviderError(closed_message(VENDOR, error), retryable=True) from error
