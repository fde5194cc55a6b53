"""Agent output: the model's answers on their way to the caller, and how much of them was heard."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from agents.cues import Cue
from agents.providers.base import ProviderError, RealtimeSession
from bubblyphone.core.audio import payload_ms
from calls.session.audio_monitor import Monitor
from calls.session.interfaces import FallbackTts
from calls.session.playback_clock import Cut, PlaybackClock
from calls.session.speech_times import SpeechTimes
from calls.session.transport import MediaTransport
from calls.session.voice_activity import length_and_sounds

FALLBACK_ITEM = "fallback tts"  # the id of speech that is not from a model
WAITING_WORDS = "One moment, please."
PERSON_ITEM = "person"  # the id of speech by a person who has taken over the call
OTHER_VOICES = frozenset({FALLBACK_ITEM, PERSON_ITEM})
# At most this much of a person's voice may be queued at the far end; otherwise it would stay delayed.
MOST_AHEAD_MS = 400.0


class AgentOutput:
    """Everything one caller hears. While the line is broken, new output waits behind the output that was not heard yet."""

    def __init__(
        self,
        transport: MediaTransport,
        fallback_tts: FallbackTts | None = None,
        answers: Callable[[float, float], bool] = lambda received_at, silent_ms: False,
        spoke: SpeechTimes | None = None,
        now: Callable[[], float] = time.monotonic,
        monitor: Monitor | None = None,
    ) -> None:
        """`answers` is notified of the first sound of each sent answer: when its piece was received, and how much silence precedes it.

        It returns whether the caller waited for the answer, in which case the time it is heard matters.
        """
        self._transport = transport
        self._fallback_tts = fallback_tts
        self._answers = answers
        self._spoke = spoke or SpeechTimes(lambda begin, end: None)
        self._now = now
        self._monitor = monitor or Monitor()
        self._playout = PlaybackClock(now)
        self._waiting: list[tuple[str, str]] | None = None  # while the line is broken: answer and payload
        self._sound_ends_at = 0.0
        self._first_sound_at: float | None = None  # when the first sound of an answer arrived that was not sent yet
        self.sounding_item = ""  # the last audible answer
        self._sounding_items: set[str] = set()  # all of them
        self.is_taken = False  # a person speaks instead: only `relay` is heard

    @property
    def item_id(self) -> str:
        """The last answer that was sent."""
        return self._playout.item_id

    @property
    def is_on(self) -> bool:
        """Whether something plays, or will when the line is back."""
        return self._playout.is_playing() or bool(self._waiting)

    @property
    def is_audible(self) -> bool:
        """Whether something audible plays."""
        playout = self._playout  # checked for every piece of caller audio
        if playout.item_id != self.sounding_item:
            return False
        return playout.ends_at > self._now() or bool(self._waiting)

    @property
    def sound_ends_at(self) -> float:
        """When playback of the last audible answer ended or will end; 0 before the first."""
        if self.sounding_item and self.item_id == self.sounding_item:
            self._sound_ends_at = self._playout.ends_at
        return self._sound_ends_at

    def has_sounded(self, item_id: str) -> bool:
        """Whether the output of this answer was audible."""
        return item_id in self._sounding_items

    def heard_ms(self, item_id: str) -> int:
        """How much of a recent answer was heard."""
        return self._playout.heard_ms(item_id)

    @property
    def is_line_broken(self) -> bool:
        return self._waiting is not None

    async def wait_for_silence(self, give_up_at: float) -> None:
        """Wait until everything sent has been heard."""
        while self.is_on and self._now() < give_up_at:  # noqa: ASYNC110  marks move the end about
            await asyncio.sleep(min(0.2, self._playout.remaining_ms() / 1000 + 0.02))

    async def say(self, item_id: str, payload: str) -> bool:
        """Send a piece of an answer, in the caller's format. Returns whether it contains the answer's first sound."""
        received_at = self._now()
        length_ms, sounds = length_and_sounds(payload, self._transport.audio_format)
        begins = item_id != self.sounding_item and bool(sounds)
        if begins:
            self.sounding_item, self._first_sound_at = item_id, received_at
            self._sounding_items.add(item_id)
        if self._waiting is not None:
            self._waiting.append((item_id, payload))
            return begins
        await self._transport.send_audio(payload)
        if self._monitor.tap is not None:
            self._monitor.tap.said(payload)
        playout, sound_ms, silent_from_ms = self._playout, None, 0.0
        if item_id != playout.item_id:
            self._sound_ends_at = self.sound_ends_at  # the answer before may be audible, and still be playing
        if sounds:
            silent_from_ms = sounds[-1][1] * 1000
            if self._first_sound_at is not None:
                sound_ms = self._sound_that_is_waited_for(self._first_sound_at, sounds[0][0] * 1000)
        playout.sent(item_id, length_ms, payload, sound_ms=sound_ms, silent_from_ms=silent_from_ms)
        begins_at = playout.ends_at - length_ms / 1000
        for begin, end in sounds:
            self._spoke.sound(begins_at + begin, begins_at + end)
        if mark := playout.next_mark():
            await self._transport.send_mark(mark)
        return begins

    async def relay(self, payload: str) -> None:
        """Send a piece of a person's speech in the agent's place.

        Dropped while the line is broken, or if it arrives faster than it is played.
        """
        if self._waiting is not None or self._playout.remaining_ms() > MOST_AHEAD_MS or not payload:
            return
        await self._transport.send_audio(payload)
        if self._monitor.tap is not None:
            self._monitor.tap.said(payload)
        length_ms, sounds = length_and_sounds(payload, self._transport.audio_format)
        self._playout.sent(PERSON_ITEM, length_ms)
        begins_at = self._playout.ends_at - length_ms / 1000
        for begin, end in sounds:
            self._spoke.sound(begins_at + begin, begins_at + end)

    def unplayed(self) -> tuple[list[str], float]:
        """The payloads that the far end has yet to play, and how many ms of them it has played."""
        return self._playout.unplayed()

    def _sound_that_is_waited_for(self, received_at: float, sound_ms: float) -> float | None:
        """Where in the piece just sent the awaited first sound of an answer is, or None."""
        self._first_sound_at = None
        return sound_ms if self._answers(received_at, sound_ms) else None

    async def say_ourselves(self, text: str) -> None:
        """Speak a sentence with the fallback voice; does nothing without one."""
        if self._fallback_tts is not None:
            async for payload in self._fallback_tts(text):
                if self.is_taken:
                    return
                await self.say(FALLBACK_ITEM, payload)
            await self.end_answer()

    async def say_meanwhile(self, session: RealtimeSession, words: str = "") -> None:
        """Speak while a tool is running: with the model if it can, otherwise with the fallback voice.

        Without `words`, the model chooses its own.
        """
        if self.is_on or self.is_taken:
            return
        if session.speaks_during_tools:
            with contextlib.suppress(ProviderError):
                await (session.say(words) if words else session.generate_reply(Cue.TOOL_TAKES_LONG))
        else:
            await self.say_ourselves(words or WAITING_WORDS)

    async def end_answer(self) -> None:
        """The answer is complete: send a mark at its end."""
        if self._waiting is None:
            await self._mark_end()

    async def _mark_end(self) -> None:
        if mark := self._playout.next_mark(final=True):
            await self._transport.send_mark(mark)

    def mark_reached(self, name: str) -> float | None:
        """Playback has reached a mark. Returns, once, when the awaited answer began, as soon as that is known."""
        return self._playout.reached(name)

    async def fall_silent(self) -> list[Cut]:
        """Drop pending audio; returns how much of each answer was not heard."""
        cuts = self.cuts()
        self._first_sound_at = None
        self._playout.cleared()
        self._sound_ends_at = min(self._sound_ends_at, self._now())
        self._spoke.cut(self._now())
        if self._monitor.tap is not None:
            self._monitor.tap.clear()
        if self._waiting is not None:
            self._waiting = []
        else:
            await self._transport.clear()
        return cuts

    def cuts(self) -> list[Cut]:
        """The same, if the line were closed now."""
        audio_format = self._transport.audio_format
        return self._playout.cuts((item, payload_ms(payload, audio_format)) for item, payload in self._waiting or [])

    def line_broke(self) -> None:
        """The connection is lost, and with it the audio that was not played."""
        if self._waiting is None:
            self._waiting = self._playout.take_unplayed()
            if self._monitor.tap is not None:
                self._monitor.tap.clear()
            self._spoke.cut(self._now())

    async def line_is_back(self) -> None:
        """Resume where the caller last heard us."""
        waiting, self._waiting = self._waiting or [], None
        for item_id, payload in waiting:
            await self.say(item_id, payload)
        await self._mark_end()
