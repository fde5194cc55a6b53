"""Audio from the callback that read it from one socket straight to the other socket, past the tasks of a session.

Fifty pieces a second go either way, and waking a task for each costs as much as all that is done with it. The short way is taken
while the task that would be woken waits for the next piece: nothing is before it, so the order stays. All else, and audio that
comes while the task is at work, is read by the task as ever.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agents.providers.base import RealtimeSession
from calls.session.model_link import ModelLink
from calls.session.transport import DirectTransport, MediaTransport

Hear = Callable[[str], Coroutine[Any, Any, None]]
Play = Callable[[RealtimeSession, str, str], Coroutine[Any, Any, None]]


class ShortWay:
    """Of one session. `hear` takes a piece of the caller's audio, `play` one of the model's: what the tasks call for each, too."""

    def __init__(self, transport: MediaTransport, link: ModelLink, *, hear: Hear, play: Play) -> None:
        self._transport = transport if isinstance(transport, DirectTransport) else None
        self._link = link
        self._hear = hear
        self._play = play
        self._is_open = False
        # Raises what a defect of ours raised on the short way: it ends this call, not the connection or the process.
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def open(self) -> None:
        """From now on."""
        self._is_open = True
        if self._transport is not None:
            self._transport.hand_audio_to(self.hear)

    def close(self) -> None:
        """The conversation is over: the tasks get everything. Nobody waits for `broken` any more."""
        self._is_open = False
        if self.broken.done():
            self.broken.exception()  # asyncio would log that nobody has looked
        self.broken.cancel()

    def hear(self, payload: str) -> bool:
        """The caller's next piece. False: there is no model to take it, or it might have to wait."""
        session = self._link.session
        if not self._is_open or session is None or not session.is_direct:
            return False
        self._finish(self._hear(payload))
        return True

    def play(self, session: RealtimeSession, item_id: str, payload: str) -> bool:
        """The next piece of the model's, from this session. False: the connection might have to wait."""
        if not self._is_open or self._transport is None or not self._transport.is_direct:
            return False
        self._finish(self._play(session, item_id, payload))
        return True

    def _finish(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            at_once(step)
        except Exception as error:  # noqa: BLE001  raised by the task that awaits `broken`
            self._is_open = False
            self.broken.set_exception(error)


def at_once(step: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that does not wait, where nothing can. Raises what it raises, and RuntimeError if it waits after all."""
    for _ in step.__await__():  # in place of `send`, which raises StopIteration at the end of each
        step.close()
        raise RuntimeError("A step on the short path of audio must not wait for anything.")
