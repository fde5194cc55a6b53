"""The caller's speech and keys, on their way to the model."""

import math
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from agents.providers.base import ProviderError, RealtimeSession
from bubblyphone.core.audio import AudioFormat, make_transcoder
from calls.session import model_notices
from calls.session.agent_output import AgentOutput
from calls.session.audio_counts import AUDIO
from calls.session.audio_monitor import Monitor
from calls.session.dtmf_collector import DtmfCollector
from calls.session.interfaces import Observer
from calls.session.model_link import ModelLink
from calls.session.screening_transcriber import ScreeningTranscriber
from calls.session.transport import LineBack, LineBroken, MediaTransport
from calls.session.turn_clock import TurnClock
from calls.session.voice_activity import VoiceActivityDetector
from phone_numbers.carriers.media_protocol import DtmfPressed, MarkReached, StreamError, StreamStopped

# Frames of 20 ms that are kept while the model is being connected.
HELD_BACK_FRAMES = 100


class CallerInput:
    """Reads the media connection to its end. While `is_deaf`, the model receives nothing."""

    def __init__(
        self,
        *,
        transport: MediaTransport,
        link: ModelLink,
        agent_output: AgentOutput,
        turns: TurnClock,
        observer: Observer,
        is_deaf: Callable[[], bool],
        spoke: Callable[[float, float], None],
        monitor: Monitor | None = None,
        unheard: tuple[float, float] = (0.0, 0.0),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`unheard`: when the caller had no stream before this one, on the clock `now`."""
        self._transport = transport
        self._link = link
        self._agent_output = agent_output
        self._turns = turns
        self._observer = observer
        self._is_deaf = is_deaf
        self._monitor = monitor or Monitor()
        self._now = now
        # Receives the caller's audio while a person has taken over.
        self.elsewhere: Callable[[str], None] | None = None
        self._to_model: Callable[[str], str] | None = None
        self._unheard = [unheard]  # all periods without a stream
        self._reported_keys: set[str] = set()
        self._held_back: deque[str] = deque(maxlen=HELD_BACK_FRAMES)
        self.vad = VoiceActivityDetector(transport.audio_format, now, spoke)
        self.keys = DtmfCollector(self._tell_keys)
        self.transcriber: ScreeningTranscriber | None = None  # receives all audio, even if the model does not
        self.acted_at = 0.0  # time of the last key

    @property
    def audio_format(self) -> AudioFormat:
        """Format of the caller's audio."""
        return self._transport.audio_format

    def listen_for(self, session: RealtimeSession) -> None:
        """A model session has started: it receives caller audio in its own format."""
        self._to_model = make_transcoder(self._transport.audio_format, session.input_format)

    async def run(self) -> None:
        """Runs until the caller's side ends."""
        async for frame in self._transport.frames():
            match frame:
                case str(payload):
                    try:
                        await self.take(payload)
                    except ProviderError:
                        self.lose()
                case MarkReached(name):
                    self.mark_reached(name)
                case DtmfPressed(digit):
                    self._press(digit)
                case StreamError(detail):
                    self._observer.event("stream.error", {"detail": detail[:200]}, source="telephony")
                case LineBroken():
                    self._unheard.append((self._now(), math.inf))
                    self._agent_output.line_broke()
                    self.vad.line_broke()
                case LineBack():
                    self._unheard[-1] = self._unheard[-1][0], self._now()
                    self._observer.event("stream.reconnected", {"reason": "connection_lost"})
                    await self._agent_output.line_is_back()
                case StreamStopped():
                    return

    def mark_reached(self, name: str) -> None:
        """The carrier has played everything before a mark."""
        began_at = self._agent_output.mark_reached(name)
        if began_at is not None:
            self._turns.playback_began(began_at)

    def key_reported(self, event_id: str, digit: str, *, seconds_ago: float) -> None:
        """The carrier reports every key; this one counts if there was no stream to deliver it."""
        pressed_at = self._now() - seconds_ago
        if event_id not in self._reported_keys and any(begin <= pressed_at < end for begin, end in self._unheard):
            self._reported_keys.add(event_id)
            self._press(digit)

    def _press(self, digit: str) -> None:
        self.acted_at = self._now()
        self._observer.event("dtmf.received", {"digit": digit}, source="telephony")
        self.keys.press(digit)

    async def _tell_keys(self, keys: str) -> None:
        await self._link.tell_when_connected(lambda session: session.send_notice(model_notices.keys_pressed(keys)))

    def take(self, payload: str) -> Coroutine[Any, Any, None]:
        """Process the caller's next piece of audio. Awaiting the result passes it on to the model, and may raise ProviderError."""
        self.vad.hear(payload, counts=not self._agent_output.is_audible)
        if self.transcriber is not None:
            self.transcriber.hear(payload)
        if self._monitor.tap is not None:
            self._monitor.tap.heard(payload)
        if self.elsewhere is not None:
            self.elsewhere(payload)
            return _nothing()
        session = self._link.session
        if session is None:
            self.hold_back(payload)
            return _nothing()
        return self._pass_all_on(session, payload) if self._held_back else self._pass_on(session, payload)

    def lose(self) -> None:
        """A piece was not sent. A session that has just failed is replaced by the task that reads its events."""
        AUDIO.lost_to_model += 1

    def hold_back(self, payload: str) -> None:
        """Keep a piece for a model that is not ready yet."""
        if len(self._held_back) == HELD_BACK_FRAMES:
            AUDIO.lost_to_model += 1  # drop the oldest
        self._held_back.append(payload)

    def give_elsewhere(self, take: Callable[[str], None] | None) -> None:
        """From now on `take` receives the caller's audio instead of the model, which does not get it later either; None: the model again,
        starting with what was held back.
        """
        if take is not None:
            self._held_back.clear()
        self.elsewhere = take

    async def _pass_all_on(self, session: RealtimeSession, payload: str) -> None:
        pieces = [*self._held_back, payload]
        self._held_back.clear()
        for piece in pieces:
            try:
                await self._pass_on(session, piece)
            except ProviderError:
                self.lose()

    def _pass_on(self, session: RealtimeSession, payload: str) -> Coroutine[Any, Any, None]:
        if self._is_deaf():
            return _nothing()
        if self._to_model is not None:
            payload = self._to_model(payload)
            if not payload:
                return _nothing()
        return session.send_audio(payload)


async def _nothing() -> None:
    """There is nothing to be done."""
