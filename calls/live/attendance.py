"""People on the page of a live call: who listens, and who has taken over.

This is the session's side, `live_socket` is the page's. Audio goes through the channel layer, whose readers never wait for a browser:
`live_socket` disconnects slow ones. The session's own audio never waits for any of them.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from calls.control.session_messages import listeners_group, microphone_group
from calls.live.line_transcriber import make_line_transcriber
from calls.session import detached_tasks
from calls.session.call_session import CallSession
from calls.session.take_over import Person

logger = logging.getLogger(__name__)
MOST_LISTENERS = 5
# Each listener confirms this every few seconds (`live_socket`).
LISTENING_SECONDS = 12.0
LOOK_SECONDS = 1.0
# Messages that are not read by then are lost.
PUBLISH_SECONDS = 1.0


@dataclass(slots=True)
class _Listener:
    person: Person
    since: float
    until: float


class Attendance:
    """Attendance of one live session. Without listeners it does nothing and costs nothing."""

    def __init__(self, call_id: int, session: CallSession) -> None:
        self._call_id = call_id
        self._session = session
        self._listeners: dict[str, _Listener] = {}
        self._listening: asyncio.Task[None] | None = None
        self._microphone: asyncio.Task[None] | None = None
        session.take_over.make_line_transcriber = make_line_transcriber
        session.take_over.has_ended = self._taken_over_until
        session.before_close = self._report_leavers

    # --- listeners ----------------------------------------------------------------------------------------------------

    def listen(self, person: Person) -> str:
        """Someone starts or continues to listen. Returns why they cannot, or ""."""
        if self._session.is_over:
            return ""  # or the call continues elsewhere: the page will notice
        now = time.monotonic()
        if known := self._listeners.get(person.id):
            known.until = now + LISTENING_SECONDS
            return ""
        if len(self._listeners) >= MOST_LISTENERS:
            return f"{MOST_LISTENERS} people are already listening to this call."
        self._listeners[person.id] = _Listener(person, now, now + LISTENING_SECONDS)
        self._session.report("listener.joined", {"by": person.name})
        if self._listening is None:
            self._listening = asyncio.create_task(self._serve_listeners())
        return ""

    def stop_listening(self, listener_id: str) -> None:
        """Someone stops listening."""
        if left := self._listeners.pop(listener_id, None):
            self._report_left(left)
        if not self._listeners and self._listening is not None:
            self._listening.cancel()
            self._listening = None

    def _report_left(self, left: _Listener) -> None:
        seconds = round(time.monotonic() - left.since)
        self._session.report("listener.left", {"by": left.person.name, "seconds": seconds})

    def _report_leavers(self) -> None:
        """The session is about to end. Listeners are still notified of the call's end."""
        for listener in self._listeners.values():
            self._report_left(listener)

    async def _serve_listeners(self) -> None:
        tap = asyncio.create_task(self._session.tap(self._publish).run())
        try:
            while not tap.done():
                await asyncio.sleep(LOOK_SECONDS)
                now = time.monotonic()
                for listener_id in [each for each, listener in self._listeners.items() if listener.until < now]:
                    self.stop_listening(listener_id)
        finally:
            tap.cancel()
            self._session.untap()

    async def _publish(self, caller: bytes, agent: bytes) -> None:
        audio_format = self._session.audio_format
        await self._send({
            "type": "audio", "encoding": audio_format.encoding, "sample_rate": audio_format.sample_rate,
            "caller": caller, "agent": agent,
        })  # fmt: skip

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await get_channel_layer().group_send(listeners_group(self._call_id), message)
        except (OSError, RedisError, TimeoutError):
            logger.warning("Cannot reach the listeners of a call", extra={"call_id": self._call_id})

    # --- taking over --------------------------------------------------------------------------------------------------

    async def take_over(self, person: Person) -> str:
        """Put a person in the agent's place. Returns why this is not possible, or ""."""
        if self._session.is_over:
            return "This call has ended."
        if refusal := self._session.take_over.refusal(person):
            return refusal
        if self._session.take_over.is_on:
            return ""
        layer = get_channel_layer()
        channel = await layer.new_channel()
        await layer.group_add(microphone_group(self._call_id), channel)
        if refusal := await self._session.take_over.begin(person):
            await layer.group_discard(microphone_group(self._call_id), channel)
            return refusal
        self._microphone = asyncio.create_task(self._pass_on(channel))
        self._tell({"type": "taken_over", "listener": person.id, "by": person.name})
        return ""

    async def _pass_on(self, channel: str) -> None:
        layer = get_channel_layer()
        try:
            while True:
                piece = await layer.receive(channel)
                await self._session.take_over.hear(piece["listener"], piece["payload"])
        finally:
            await layer.group_discard(microphone_group(self._call_id), channel)

    async def give_back(self, listener_id: str, reason: str) -> None:
        """Return the call to the agent; the last words may take a moment to be recognized."""
        detached_tasks.start(self._session.take_over.end(listener_id, reason))

    def _taken_over_until(self, person: Person, reason: str) -> None:
        if self._microphone is not None:
            self._microphone.cancel()
            self._microphone = None
        self._tell({"type": "given_back", "listener": person.id, "by": person.name, "reason": reason})

    def _tell(self, message: dict[str, Any]) -> None:
        if self._listeners:
            detached_tasks.start(self._send(message))

    def close(self) -> None:
        """The session is over here; another process may continue the call."""
        if self._listening is not None:
            self._listening.cancel()
        if self._microphone is not None:
            self._microphone.cancel()
        self._tell({"type": "left"})
