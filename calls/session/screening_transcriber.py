"""Transcribes the other end of an outbound call while the agent's own model must not hear it. Pure asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from agents.providers.base import ProviderError, RealtimeSession
from agents.providers.model_events import InputTranscript
from bubblyphone.core.audio import AudioFormat, make_transcoder
from calls.session.interfaces import Engine

CONNECT_SECONDS = 12.0
# Pieces of 20 ms: includes speech before the carrier's verdict, which arrives within a minute.
REMEMBERED, UNDECIDED = 500, 3000
LISTEN_ONLY = "You overhear a telephone call. Say nothing and do nothing."


class ScreeningTranscriber:
    """A separate model session that only transcribes.

    `heard` receives each utterance; it must not raise. If the session cannot be opened, nothing is heard, and the call proceeds as with
    any machine. It is not charged, so it is closed as soon as it is known who is on the line.
    """

    def __init__(self, engine: Engine, caller_format: AudioFormat, heard: Callable[[str], Awaitable[None]]) -> None:
        self._model = engine.model
        self._config = replace(engine.config, instructions=LISTEN_ONLY, tools=(), history=(), listens_only=True)
        self._caller_format = caller_format
        self._heard = heard
        self._pieces: asyncio.Queue[str] = asyncio.Queue()
        self._count = 0
        self._is_open = True
        self._session: RealtimeSession | None = None
        self.task: asyncio.Task[None] | None = None

    def hear(self, payload: str) -> None:
        """The caller's next piece of audio."""
        if not self._is_open:
            return
        if self.task is None:
            self._count += 1
            if self._count > UNDECIDED:
                self.close()
                return
            if self._pieces.qsize() >= REMEMBERED:
                self._pieces.get_nowait()
        self._pieces.put_nowait(payload)

    def listen(self) -> None:
        """Start with the audio kept so far. A second call does nothing."""
        if self._is_open and self.task is None:
            self.task = asyncio.create_task(self._listen())
            self.task.add_done_callback(lambda _: self.close())  # the session has ended: stop keeping audio

    @property
    def owes_words(self) -> bool:
        """Whether something was said whose words are not known yet."""
        if not self._is_open or self.task is None:
            return False
        return self._session is None or not self._pieces.empty() or self._session.owes_words

    def close(self) -> None:
        """The transcription is no longer needed."""
        self._is_open = False
        self._pieces = asyncio.Queue()
        if self.task is not None:
            self.task.cancel()

    async def _listen(self) -> None:
        with suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                session = await self._model.connect(self._config)
            self._session = session
            feeding = asyncio.create_task(self._feed(session))
            try:
                async for event in session.events():
                    if isinstance(event, InputTranscript):
                        await self._heard(event.text)
            finally:
                feeding.cancel()
                await session.close()

    async def _feed(self, session: RealtimeSession) -> None:
        convert = make_transcoder(self._caller_format, session.input_format)
        with suppress(ProviderError):
            while True:
                payload = await self._pieces.get()
                payload = convert(payload) if convert else payload
                if payload:
                    await session.send_audio(payload)
