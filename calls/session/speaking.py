"""What the caller hears: the model's answers on their way into the line, and how much of them has been heard."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from agents.providers.base import ProviderError, RealtimeSession
from bubblyphone.core.audio import payload_ms
from calls.session.ear import is_silent
from calls.session.parts import OwnVoice
from calls.session.playout import Playout
from calls.session.transport import MediaTransport

OWN_VOICE = "own voice"  # the name of an "answer" that no model gave


class Speaking:
    """One caller's ear. While the line is broken what is said waits, with what had not been heard yet before it."""

    def __init__(
        self, transport: MediaTransport, own_voice: OwnVoice | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._transport = transport
        self._own_voice = own_voice
        self._now = now
        self._playout = Playout(now)
        self._waiting: list[tuple[str, str]] | None = None  # while the line is broken: answer and payload
        self._sound_ends_at = 0.0
        self.sounding_item = ""  # the last answer in which there was something to hear

    @property
    def item_id(self) -> str:
        """The answer that was sent last."""
        return self._playout.item_id

    @property
    def is_on(self) -> bool:
        """Whether something plays, or will as soon as the line is there again."""
        return self._playout.is_playing() or bool(self._waiting)

    @property
    def is_audible(self) -> bool:
        """Whether something plays that is more than silence."""
        return self.is_on and self.item_id == self.sounding_item

    @property
    def sound_ends_at(self) -> float:
        """When the last answer in which there was something to hear has been, or will have been, played; 0 before the first."""
        if self.sounding_item and self.item_id == self.sounding_item:
            self._sound_ends_at = self._playout.ends_at
        return self._sound_ends_at

    @property
    def is_line_broken(self) -> bool:
        return self._waiting is not None

    async def wait_for_silence(self, give_up_at: float) -> None:
        """Until all that was sent has been heard."""
        while self.is_on and self._now() < give_up_at:  # noqa: ASYNC110  marks move the end about
            await asyncio.sleep(min(0.2, self._playout.remaining_ms() / 1000 + 0.02))

    async def say(self, item_id: str, payload: str) -> bool:
        """A piece of an answer, in the caller's format. Whether it is the first of it in which there is something to hear."""
        begins = item_id != self.sounding_item and not is_silent(payload, self._transport.audio_format)
        if begins:
            self.sounding_item = item_id
        if self._waiting is not None:
            self._waiting.append((item_id, payload))
        else:
            await self._transport.send_audio(payload)
            self._playout.sent(item_id, payload_ms(payload, self._transport.audio_format), payload)
            await self._mark(final=False)
        return begins

    async def say_ourselves(self, text: str) -> None:
        """A sentence that no model says; nothing where there is no other voice."""
        if self._own_voice is not None:
            async for payload in self._own_voice(text):
                await self.say(OWN_VOICE, payload)
            await self.end_answer()

    async def say_meanwhile(self, session: RealtimeSession, words: str) -> None:
        """While a tool is at work: by the model where that can speak meanwhile, else by a voice of our own."""
        if self.is_on:
            return
        if session.speaks_during_tools:
            with contextlib.suppress(ProviderError):
                await session.say(words)
        else:
            await self.say_ourselves(words)

    async def end_answer(self) -> None:
        """The answer is complete: its end is marked."""
        if self._waiting is None:
            await self._mark(final=True)

    async def _mark(self, *, final: bool) -> None:
        if mark := self._playout.next_mark(final=final):
            await self._transport.send_mark(mark)

    def mark_reached(self, name: str) -> float | None:
        """Playback has come to a mark. Returns when that of the last answer began, if that is known by it."""
        return self._playout.reached(name)

    async def fall_silent(self) -> tuple[int, float]:
        """Drop what is still to be played. Of the last answer: how many ms, and what share of it, was heard."""
        heard = self._playout.heard_ms(), self._playout.heard_share()
        if self._waiting is not None:
            self._waiting = []
        else:
            await self._transport.clear()
        self._playout.cleared()
        return heard

    def line_broke(self) -> None:
        """The connection is gone, and with it what had not been played."""
        if self._waiting is None:
            self._waiting = self._playout.take_unplayed()

    async def line_is_back(self) -> None:
        """Go on where the caller heard the last of us."""
        waiting, self._waiting = self._waiting or [], None
        for item_id, payload in waiting:
            await self.say(item_id, payload)
        await self._mark(final=True)
