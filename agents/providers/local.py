"""`local-offline`: a model that runs in this machine, without a key. English.

The caller's audio goes to a turn detector (Silero, Moonshine), the recognized words to a brain (scripted, or a chat endpoint), and the
brain's answer to a voice (Piper). The session coordinates them: one turn at a time, canceled if the caller interrupts.
"""

import asyncio
import base64
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.module_loading import import_string

from agents import speech
from agents.brain.base import Brain, Call, Say, Steps, ToolResult
from agents.brain.scripted import ScriptedBrain
from agents.cues import Cue
from agents.providers.base import ProviderError, RealtimeModel, RealtimeSession, SessionConfig
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
from agents.speech import Speech, SpeechBegan, SpeechError, TurnDetector, Utterance
from agents.speech.sentences import split_for_speech
from bubblyphone.core.audio import PCM16_8K, PCM16_16K, PCM16_24K

logger = logging.getLogger(__name__)

# A session has to open within 10 s. On a slow machine it opens before the models are loaded, and speech waits for them.
PATIENCE_SECONDS = 6.0
PIECE_MS = 120
END_OF_INPUT_MS = 1200  # this much silence ends an utterance
SPOKEN_MS = 200  # this much voice without words makes the agent ask again
PAUSE_MS = 150  # between two sentences; the voice itself leaves almost none
# An echo of the last words may still arrive after the agent has stopped speaking.
ECHO_SECONDS = 0.2


class LocalModel(RealtimeModel):
    """The offline model.

    With `llm_base_url`, an OpenAI-compatible chat endpoint answers, otherwise the scripted demo agent.
    """

    # It is slow on a slow machine, and a new session would not be faster.
    answer_seconds = 10.0

    def __init__(self, llm_base_url: str = "", llm_model: str = "", llm_api_key: str = "") -> None:
        # Imported by name, so that the SDK is not loaded without an endpoint.
        self._endpoint = (
            import_string("agents.brain.chat.ChatEndpoint")(llm_base_url, llm_model, llm_api_key)
            if llm_base_url
            else None
        )

    def is_available(self) -> bool:
        return speech.is_installed()

    async def warm_up(self) -> None:
        """Load the speech models, so that the first call does not wait for them. Raises ProviderError."""
        try:
            await speech.warm_up()
        except (SpeechError, OSError) as exc:
            raise ProviderError("Offline speech could not start.", retryable=speech.is_installed()) from exc

    async def connect(self, config: SessionConfig) -> "LocalSession":
        with suppress(TimeoutError):
            await asyncio.wait_for(self.warm_up(), PATIENCE_SECONDS)
        engine = speech.get_speech()
        if self._endpoint is not None:
            return LocalSession(engine, self._endpoint.new_brain(config), config)
        brain = ScriptedBrain(
            config.instructions,
            config.tools,
            engine.embed,
            history=config.history,
            # "Tomorrow" depends on the machine's clock, because the caller's time zone is unknown.
            today=lambda: datetime.now().astimezone().date(),
        )
        session = LocalSession(engine, brain, config)
        if not config.listens_only:
            session.prepare(brain.prepare)
        return session


@dataclass(slots=True)
class _Answer:
    """One turn of the agent: its text so far, and when each piece plays."""

    item_id: str
    pieces: list[tuple[str, float]] = field(default_factory=list)  # text, ms of its audio
    unfinished: str = ""  # the piece being synthesized, once there is audio of it
    has_sounded: bool = False
    is_reported: bool = False
    heard_ms: int | None = None  # set when the call reports an interruption

    @property
    def text(self) -> str:
        return " ".join([*(text for text, _ in self.pieces), *([self.unfinished] if self.unfinished else [])])

    def heard(self, heard_ms: float) -> str:
        """The words that were played within the first `heard_ms`."""
        words: list[str] = []
        for text, length in self.pieces:
            if heard_ms >= length:
                words.append(text)
            elif heard_ms > 0:
                spoken = text.split()
                words += spoken[: round(len(spoken) * heard_ms / length)]
            heard_ms -= length
        return " ".join(words)


class LocalSession(RealtimeSession):
    """One offline conversation."""

    input_format = PCM16_16K

    def __init__(self, engine: Speech, brain: Brain, config: SessionConfig) -> None:
        self._is_interruptible = config.interruptible
        self._is_text = config.is_text
        self.output_format = PCM16_8K if config.caller_format.sample_rate == PCM16_8K.sample_rate else PCM16_24K
        self._engine = engine
        self._brain = brain
        self._events: asyncio.Queue[ModelEvent | ProviderError | None] = asyncio.Queue()
        self._turns: asyncio.Queue[Steps] = asyncio.Queue()
        self._turn: asyncio.Task[None] | None = None
        self._playing_until = 0.0
        self._answers: dict[str, _Answer] = {}
        self._item_ids = (f"local_item_{number}" for number in itertools.count(1))
        self._open_calls: set[str] = set()
        self._results: list[ToolResult] = []
        self._late_results: list[ToolResult] = []  # results of tools that an earlier session called
        self._was_interrupted = False
        self._caller_is_quiet = asyncio.Event()
        self._caller_is_quiet.set()
        self._is_left = config.listens_only  # nobody to answer
        self._is_closed = False
        self._detector = TurnDetector(engine, self._is_speaking, config.interruption_sensitivity)
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._take_turns())]

    # -------------------------------------------------------------------------------------------

    def prepare(self, work: Callable[[], Awaitable[None]]) -> None:
        """Let the brain process its prompt while the greeting is spoken."""
        self._tasks.append(asyncio.create_task(self._prepare(work)))

    async def _prepare(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except SpeechError:
            logger.warning("Preparing the prompt failed. The first answer will prepare it.")

    async def send_audio(self, payload: str) -> None:
        if self._is_closed:
            raise ProviderError("The session is closed.", retryable=True)
        self._detector.feed(base64.b64decode(payload))

    async def send_text(self, text: str) -> None:
        if self._is_closed:
            raise ProviderError("The session is closed.", retryable=True)
        self._turns.put_nowait(self._brain.answer(text))

    async def events(self) -> AsyncIterator[ModelEvent]:
        while True:
            event = await self._events.get()
            if event is None:
                return
            if isinstance(event, ProviderError):
                raise event
            yield event

    async def generate_reply(self, instructions: str) -> None:
        # On a busy machine an answer is late, not missing: if requested again, it would be followed by an apology.
        is_answering = not self._turns.empty() or (self._turn is not None and not self._turn.done())
        if instructions == Cue.ANSWER_NOW and is_answering:
            return
        self._turns.put_nowait(self._brain.reply(instructions))

    async def say(self, text: str) -> None:
        self._turns.put_nowait(self._brain.recite(text))

    async def send_context(self, message: str) -> None:
        self._brain.note(message)

    async def send_notice(self, message: str) -> None:
        self._brain.notice(message)

    async def follow(self, instruction: str, *, at_once: bool) -> None:
        self._brain.follow(instruction)
        if at_once:
            await self.generate_reply(Cue.FOLLOW_WHISPER)

    async def truncate(self, item_id: str, heard_ms: int) -> None:
        if answer := self._answers.get(item_id):
            answer.heard_ms = heard_ms
            if answer.is_reported:
                self._brain.heard(answer.text, answer.heard(heard_ms))

    async def send_tool_result(self, call_id: str, name: str, result: Mapping[str, Any]) -> None:
        if call_id not in self._open_calls:
            return
        self._open_calls.discard(call_id)
        self._results.append(ToolResult(call_id, name, result))
        if not self._open_calls:
            results, self._results = self._results, []
            self._turns.put_nowait(self._brain.go_on(results))

    async def send_late_result(self, name: str, result: Mapping[str, Any], *, is_last: bool) -> None:
        self._late_results.append(ToolResult("", name, result))
        if is_last:
            results, self._late_results = self._late_results, []
            self._turns.put_nowait(self._brain.go_on(results))

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        tasks = [*self._tasks, *([self._turn] if self._turn else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._detector.close()
        self._events.put_nowait(None)

    @property
    def owes_words(self) -> bool:
        return self._detector.is_busy or not self._events.empty()

    async def end_input(self) -> None:
        self._is_left = True
        if self._detector.is_busy:
            self._detector.feed(bytes(END_OF_INPUT_MS * PCM16_16K.bytes_per_ms))

    def unfinished(self) -> list[InputTranscript | OutputTranscript]:
        left = [self._events.get_nowait() for _ in range(self._events.qsize())]
        return [event for event in left if isinstance(event, InputTranscript | OutputTranscript)]

    # ------------------------------------------------------------------------------------------------------

    def _is_speaking(self) -> bool:
        return time.monotonic() < self._playing_until + ECHO_SECONDS

    async def _listen(self) -> None:
        try:
            async for event in self._detector.events():
                if isinstance(event, SpeechBegan):
                    self._interrupt()
                else:
                    self._take_utterance(event)
        except SpeechError as exc:
            error = ProviderError("The speech recognizer is not running.", retryable=True)
            error.__cause__ = exc
            self._events.put_nowait(error)

    def _interrupt(self) -> None:
        """The caller speaks: stop speaking and thinking; running tools continue."""
        if not self._is_interruptible:
            return
        self._caller_is_quiet.clear()
        self._was_interrupted = self._is_speaking() or (self._turn is not None and not self._turn.done())
        self._playing_until = 0.0
        if self._turn is not None:
            self._turn.cancel()
        self._events.put_nowait(SpeechStarted())

    def _take_utterance(self, utterance: Utterance) -> None:
        self._caller_is_quiet.set()
        self._events.put_nowait(SpeechStopped())
        if utterance.text:
            self._events.put_nowait(InputTranscript(utterance.text))
        if self._is_left:
            return
        if utterance.text:
            self._turns.put_nowait(self._brain.answer(utterance.text))
        elif self._was_interrupted or utterance.voiced_ms >= SPOKEN_MS:
            self._turns.put_nowait(self._brain.ask_again())
        self._was_interrupted = False

    # -------------------------------------------------------------------------------------------------------

    async def _take_turns(self) -> None:
        """Run the turns one after the other; canceling one does not end the others."""
        while True:
            steps = await self._turns.get()
            await self._caller_is_quiet.wait()  # no turn starts while the caller is speaking
            self._turn = asyncio.create_task(self._run_turn(steps))
            await asyncio.wait([self._turn])
            if not self._turn.cancelled() and (error := self._turn.exception()):
                logger.error("Answering a turn failed", exc_info=error)
                self._events.put_nowait(ProviderError("The offline model failed.", retryable=True))

    async def _run_turn(self, steps: Steps) -> None:
        answer = _Answer(next(self._item_ids))
        self._answers[answer.item_id] = answer
        calls: list[Call] = []
        try:
            async with aclosing(steps):
                async for step in steps:
                    if isinstance(step, Say):
                        await self._speak(answer, step.text)
                    else:
                        calls.append(step)
        finally:
            self._report(answer)
        self._open_calls |= {call.call_id for call in calls}
        for call in calls:
            self._events.put_nowait(ToolCall(call.call_id, call.name, call.arguments))
        self._events.put_nowait(TurnDone())

    def _report(self, answer: _Answer) -> None:
        """Report the text of an answer, complete or as far as it has audio, and let the brain remember it."""
        self._detector.is_patient = self._brain.is_patient
        if answer.text and answer.has_sounded:
            answer.is_reported = True
            self._brain.said(answer.text)
            # The call can report what was heard before a canceled turn has ended.
            if answer.heard_ms is not None:
                self._brain.heard(answer.text, answer.heard(answer.heard_ms))
            self._events.put_nowait(OutputTranscript(answer.item_id, answer.text))

    async def _speak(self, answer: _Answer, text: str) -> None:
        if self._is_text:
            self._events.put_nowait(OutputText(answer.item_id, text + " "))
            answer.has_sounded = True
            answer.pieces.append((text, 0.0))
            return
        for piece in split_for_speech(text):
            length = 0.0
            async with aclosing(self._engine.synthesize(piece, self.output_format.sample_rate)) as chunks:
                async for pcm in chunks:
                    length += self._play(answer, pcm)
                    answer.unfinished = piece
            length += self._play(answer, bytes(PAUSE_MS * self.output_format.bytes_per_ms))
            answer.pieces.append((piece, length))
            answer.unfinished = ""

    def _play(self, answer: _Answer, pcm: bytes) -> float:
        """Emit audio in short pieces; returns its length in ms."""
        answer.has_sounded = True
        size = PIECE_MS * self.output_format.bytes_per_ms
        for start in range(0, len(pcm), size):
            payload = base64.b64encode(pcm[start : start + size]).decode()
            self._events.put_nowait(AudioDelta(answer.item_id, payload))
        length = len(pcm) / self.output_format.bytes_per_ms
        self._playing_until = max(self._playing_until, time.monotonic()) + length / 1000
        return length
