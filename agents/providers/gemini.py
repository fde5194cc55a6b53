"""Gemini Live. The vendor's types configure a session (gemini_setup); the socket is ours (model_socket), because the SDK's own
connection costs several times as much CPU per frame, and refuses a plain ws:// address.

A connection lasts about ten minutes, a call up to sixty. When the vendor announces the end of a connection (goAway) or closes it,
the session continues over a new connection by its resumption handle. https://ai.google.dev/gemini-api/docs/live-session
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from agents.cues import Cue, whispered
from agents.providers import audio_messages, gemini_setup
from agents.providers.base import (
    ProviderError,
    RealtimeModel,
    RealtimeSession,
    SessionConfig,
    Turn,
    late_result,
)
from agents.providers.connecting import closed_message, connecting, open_socket, websocket_url
from agents.providers.gemini_setup import text_message
from agents.providers.gemini_turns import GeminiTurns
from agents.providers.message_fields import child, items, parse_object, text
from agents.providers.model_events import (
    InputTranscript,
    ModelEvent,
    OutputTranscript,
    Reconnected,
    ToolCall,
    ToolCallsCanceled,
)
from agents.providers.model_socket import ModelSocket, ModelSocketClosed
from bubblyphone.core.audio import PCM16_16K, PCM16_24K

logger = logging.getLogger(__name__)

VENDOR = "Gemini"
# If a connection drops sooner than this after a reconnect, the problem persists, and we do not reconnect again.
STABLE_SECONDS = 10.0
# A planned change of connection waits for a pause in the conversation, until this long before the vendor closes.
SWAP_MARGIN_SECONDS = 3.0


class GeminiLiveModel(RealtimeModel):
    """Sessions at `base_url` (http:// gives ws://), with the platform's key or the developer's own."""

    def __init__(
        self,
        api_key: str = "",
        base_url: str = "https://generativelanguage.googleapis.com",
        api_version: str = "v1beta",
    ) -> None:
        self._api_key = api_key
        service = f"google.ai.generativelanguage.{api_version}.GenerativeService.BidiGenerateContent"
        self._url = f"{websocket_url(base_url).rstrip('/')}/ws/{service}"

    def is_available(self) -> bool:
        return bool(self._api_key)

    async def connect(self, config: SessionConfig) -> "GeminiLiveSession":
        if not (config.api_key or self._api_key):
            raise ProviderError("No Gemini API key is configured.", retryable=False)
        return GeminiLiveSession(self, config, await self.open(config))

    async def open(self, config: SessionConfig, *, handle: str = "", history: tuple[Turn, ...] = ()) -> ModelSocket:
        """A socket with a configured session: resumed by `handle`, otherwise new with the history. Raises ProviderError."""
        history = () if handle else history or config.history
        socket: ModelSocket | None = None
        try:
            async with connecting(VENDOR):
                socket = await open_socket(self._url, {"x-goog-api-key": config.api_key or self._api_key})
                socket.send(_encode(gemini_setup.setup_message(config, handle=handle, has_history=bool(history))))
                while "setupComplete" not in (parse_object(await socket.recv()) or {}):
                    pass
                if history:
                    socket.send(_encode(gemini_setup.history_message(history)))
        except BaseException:
            if socket is not None:
                await socket.close()
            raise
        return socket


class GeminiLiveSession(RealtimeSession):
    """One Live conversation over consecutive connections. 16 kHz in, 24 kHz out."""

    is_direct = True
    input_format = PCM16_16K
    output_format = PCM16_24K

    def __init__(self, model: GeminiLiveModel, config: SessionConfig, socket: ModelSocket) -> None:
        self._model = model
        self._config = config
        self.speaks_during_tools = (
            config.capabilities.async_tools
        )  # other models do not react before they have the result
        self._socket = socket  # the connection that we send to
        self._read_from = socket  # may be the previous one, until its answer is complete
        self._closed = False
        self._handle = ""  # handle of the last state that can be resumed
        self._turns = GeminiTurns(config)
        self._held_back: list[str] | None = None  # messages to send once there is a connection
        self._reopened_at = float("-inf")
        self._swap: asyncio.Task[None] | None = None
        self._pause = asyncio.Event()  # set while neither side is speaking or waiting for an answer
        self._pause.set()
        self._open_calls: dict[str, ModelSocket] = {}  # id → the connection that the call came from
        self._late_results: list[str] = []  # results of lost connections, sent together when all have arrived

    async def send_audio(self, payload: str) -> None:
        await self._send('{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"' + payload + '"}}}')

    async def send_text(self, text: str) -> None:
        self._turns.remember("user", text)
        await self._send(_encode(text_message(text)))

    async def generate_reply(self, instructions: str) -> None:
        await self._send(_encode(text_message(instructions)))

    async def send_context(self, message: str) -> None:
        note = f"Context update: {message}"
        self._turns.remember("user", note)  # for a new session that cannot resume this one
        in_words = gemini_setup.note_message if self._config.capabilities.content_updates else text_message
        await self._send(_encode(in_words(note)))

    async def advise(self, message: str, cue: Cue) -> None:
        """In one message, because each text makes the model speak."""
        self._turns.remember("user", message)
        await self._send(_encode(text_message(f"{message}\n{cue}")))

    async def follow(self, instruction: str, *, at_once: bool) -> None:
        """A model without content updates always speaks now, because any text makes it speak."""
        note = whispered(instruction)
        self._turns.remember("user", note)
        if not self._config.capabilities.content_updates:
            await self._send(_encode(text_message(note)))
            return
        await self._send(_encode(gemini_setup.note_message(note)))
        if at_once:
            await self.generate_reply(Cue.FOLLOW_WHISPER)

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        """Does nothing: the vendor tracks real playback itself."""

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        asked_over = self._open_calls.pop(call_id, None)
        if asked_over is None:
            return  # withdrawn
        if not self._is_lost(asked_over):
            with contextlib.suppress(ModelSocketClosed):
                asked_over.send(
                    _encode(
                        gemini_setup.tool_response_message(
                            call_id, name, dict(result), is_async=self.speaks_during_tools
                        )
                    )
                )
                return
        await self.send_late_result(name, result, is_last=not any(map(self._is_lost, self._open_calls.values())))

    async def send_late_result(self, name: str, result: Mapping[str, Any], *, is_last: bool) -> None:
        """In one message with all others, because each text makes the model speak."""
        self._late_results.append(late_result(name, result))
        if is_last:
            await self._tell_late_results()

    async def _tell_late_results(self) -> None:
        message = "\n".join(self._late_results)
        self._late_results.clear()
        await self._send(_encode(text_message(message)))

    def _is_lost(self, connection: ModelSocket) -> bool:
        """A connection does not accept the result of a call from another connection, even for the same, resumed session."""
        return connection is not self._socket or self._held_back is not None

    async def close(self) -> None:
        self._closed = True
        if self._swap is not None:
            self._swap.cancel()
            await asyncio.gather(self._swap, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in {self._socket, self._read_from}))

    @property
    def owes_words(self) -> bool:
        """The vendor sends transcripts at any time, and only some of its models report that an utterance is complete."""
        return not self._turns.words_are_complete

    async def end_input(self) -> None:
        self._turns.words_are_complete = False
        await self._send('{"realtimeInput":{"audioStreamEnd":true}}')

    def unfinished(self) -> list[InputTranscript | OutputTranscript]:
        return self._turns.unfinished()

    def _take(self, message: bytes) -> bool:
        """Pass audio within an answer, and its interruption, to the sinks immediately. The reader gets everything else."""
        item_id = self._turns.sounding_item
        if not item_id or self.audio_sink is None:
            return False
        if (payload := audio_messages.of_gemini(message)) is not None:
            return self.audio_sink(item_id, payload)
        if self.speech_sink is None or not audio_messages.is_gemini_interruption(message) or not self.speech_sink():
            return False
        self._turns.interrupted()
        return True

    async def events(self) -> AsyncIterator[ModelEvent]:
        socket = self._socket
        while True:
            self._read_from, socket.take = socket, self._take
            try:
                frame = await socket.recv()
            except ModelSocketClosed as error:
                if self._closed:
                    return
                # A planned change closes the old socket once the new one has replaced it.
                is_planned = self._socket is not socket
                # If no turn has followed the caller's words, they still need an answer; the vendor does not remember that.
                mid_answer = not is_planned and self._turns.is_owed_an_answer
                for event in self._turns.connection_lost():
                    yield event
                if not is_planned:
                    await self._recover(socket, error)
                socket = self._socket
                yield Reconnected("go_away" if is_planned else "dropped", mid_answer)
                continue
            message = parse_object(frame)
            if message is not None:
                for event in self._read(message, socket):
                    yield event
                if self._late_results and not any(map(self._is_lost, self._open_calls.values())):
                    await self._tell_late_results()  # the remaining calls were canceled
                self._note_pause()

    # --- messages of the vendor ---------------------------------------------------------------------------------------

    def _read(self, message: Mapping[str, Any], socket: ModelSocket) -> list[ModelEvent]:
        """A message may combine several kinds of content."""
        events: list[ModelEvent] = []
        if content := child(message, "serverContent"):
            events += self._turns.read(content)
        for call in items(child(message, "toolCall"), "functionCalls"):
            events += self._turns.tool_called()
            self._open_calls[text(call, "id")] = socket
            events.append(ToolCall(text(call, "id"), text(call, "name"), child(call, "args")))
        if ids := child(message, "toolCallCancellation").get("ids"):
            canceled = tuple(each for each in ids if isinstance(each, str)) if isinstance(ids, list) else ()
            for call_id in canceled:
                self._open_calls.pop(call_id, None)
            events.append(ToolCallsCanceled(canceled))
        update = child(message, "sessionResumptionUpdate")
        if update.get("resumable") is True:
            self._handle = text(update, "newHandle") or self._handle
        if "goAway" in message and self._swap is None:
            seconds_left = gemini_setup.duration_seconds(text(child(message, "goAway"), "timeLeft"))
            self._swap = asyncio.create_task(self._change_connection(seconds_left), name="gemini-swap")
        return events

    def _note_pause(self) -> None:
        if self._turns.is_under_way or self._open_calls:
            self._pause.clear()
        else:
            self._pause.set()

    # --- changing the connection --------------------------------------------------------------------------------------

    async def _change_connection(self, seconds_left: float) -> None:
        """The vendor will close the connection: switch to a new one in the next pause, while the old one still works."""
        old = self._socket
        await self._wait_for_pause(max(seconds_left - SWAP_MARGIN_SECONDS, 0))
        try:
            if asyncio.get_running_loop().time() - self._reopened_at >= STABLE_SECONDS:
                await self._reopen()
                # An answer that is longer than the wait is played to its end: the reader stays on the old connection.
                await self._wait_for_pause(SWAP_MARGIN_SECONDS)
                await old.close()
        except ProviderError:
            # The old connection is used until it closes; the reader then makes the last attempt.
            logger.warning("Reconnecting to Gemini before its session limit failed")
            with contextlib.suppress(ModelSocketClosed):
                await self._go_over_to(old)
        finally:
            self._swap = None

    async def _wait_for_pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._pause.wait()

    async def _recover(self, lost: ModelSocket, error: ModelSocketClosed) -> None:
        """The connection broke: continue over a new one. Raises ProviderError if that fails, or if the broken one was just opened."""
        if self._swap is not None:
            self._swap.cancel()
            await asyncio.gather(self._swap, return_exceptions=True)
        if self._socket is not lost:
            return
        self._held_back = self._held_back or []
        if asyncio.get_running_loop().time() - self._reopened_at < STABLE_SECONDS:
            raise ProviderError(closed_message(VENDOR, error), retryable=True) from error
        await self._reopen()

    async def _reopen(self) -> None:
        """Replace the connection. Messages sent in the meantime follow in order."""
        self._held_back = self._held_back or []
        socket = await self._open_next()
        try:
            await self._go_over_to(socket)
        except BaseException as error:
            await socket.close()
            if isinstance(error, ModelSocketClosed):
                raise ProviderError(closed_message(VENDOR, error), retryable=True) from error
            raise
        self._reopened_at = asyncio.get_running_loop().time()

    async def _go_over_to(self, socket: ModelSocket) -> None:
        while self._held_back:
            socket.send(self._held_back.pop(0))
        self._held_back = None
        self._socket = socket

    async def _open_next(self) -> ModelSocket:
        if self._handle:
            try:
                return await self._model.open(self._config, handle=self._handle)
            except ProviderError:
                logger.warning("Gemini did not resume the session. Starting a new one.")
                self._handle = ""
        return await self._model.open(self._config, history=tuple(self._turns.history))

    async def _send(self, message: str) -> None:
        if self._held_back is None:
            try:
                self._socket.send(message)
                return
            except ModelSocketClosed:
                # The task that reads the events also notices, and opens the next connection.
                self._held_back = []
        if self._closed:
            raise ProviderError("The session is closed.", retryable=False)
        self._held_back.append(message)


def _encode(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message).decode()
