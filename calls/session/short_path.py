"""Passes audio directly from the callback that read it from one socket to the other socket, bypassing the session's tasks.

There are fifty pieces a second in each direction, and waking a task for each costs as much as processing it. Two reports also use this
path: interruptions, because the agent talks over the caller until they are handled, and marks, because there are four a second.
The short path is used only while the task is waiting for the next piece: then nothing is queued before it, so the order is preserved. The
task reads everything else, and whatever arrives while it is busy.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agents.providers.base import ProviderError, RealtimeSession
from calls.session.caller_input import CallerInput
from calls.session.model_link import ModelLink
from calls.session.transport import DirectTransport, MediaTransport
from phone_numbers.carriers.media_protocol import MarkReached

Play = Callable[[RealtimeSession, str, str], Coroutine[Any, Any, None]]


class ShortPath:
    """The short path of one session.

    `caller_input` processes the caller's audio and marks, `play` a piece of the model's audio, and `caller_began` the model's report that
    the caller speaks; the tasks call the same functions.
    """

    def __init__(
        self,
        transport: MediaTransport,
        link: ModelLink,
        caller_input: CallerInput,
        *,
        play: Play,
        caller_began: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._transport = transport if isinstance(transport, DirectTransport) else None
        self._link = link
        self._hear = caller_input.take
        self._lose = caller_input.lose
        self._reached = caller_input.mark_reached
        self._play = play
        self._caller_began = caller_began
        self._is_open = False
        # Raises exceptions from the short path: a bug ends this call, not the connection or the process.
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def open(self) -> None:
        """Use the short path from now on."""
        self._is_open = True
        if self._transport is not None:
            self._transport.hand_audio_to(self.hear)

    def close(self) -> None:
        """The conversation is over: the tasks get everything. Nobody waits for `broken` anymore."""
        self._is_open = False
        if self.broken.done():
            self.broken.exception()  # otherwise asyncio logs that nobody retrieved it
        self.broken.cancel()

    def hear(self, frame: str | MarkReached) -> bool:
        """Process the caller's next piece or a mark. False if no model is connected or it might have to wait."""
        if not isinstance(frame, str):
            return self._take_mark(frame)
        session = self._link.session
        if not self._is_open or session is None or not session.is_direct:
            return False
        try:
            at_once(self._hear(frame))
        except ProviderError:
            self._lose()
        except Exception as error:  # noqa: BLE001  raised by the task that awaits `broken`
            self._break(error)
        return True

    def _take_mark(self, mark: MarkReached) -> bool:
        if not self._is_open:
            return False
        try:
            self._reached(mark.name)
        except Exception as error:  # noqa: BLE001  raised by the task that awaits `broken`
            self._break(error)
        return True

    def play(self, session: RealtimeSession, item_id: str, payload: str) -> bool:
        """The model's next piece, from this session. False: the connection might have to wait."""
        transport = self._transport
        if not self._is_open or transport is None or not transport.is_direct:
            return False
        try:
            at_once(self._play(session, item_id, payload))
        except Exception as error:  # noqa: BLE001  raised by the task that awaits `broken`
            self._break(error)
        return True

    def caller_began(self) -> bool:
        """Process the model's report that the caller speaks. False if the connection or the model might have to wait."""
        transport, session = self._transport, self._link.session
        is_direct = transport is not None and transport.is_direct and session is not None and session.is_direct
        if not self._is_open or not is_direct:
            return False
        try:
            at_once(self._caller_began())
        except Exception as error:  # noqa: BLE001  raised by the task that awaits `broken`
            self._break(error)
        return True

    def _break(self, error: Exception) -> None:
        self._is_open = False
        self.broken.set_exception(error)


def at_once(step: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that does not wait, from synchronous code. Raises what it raises, and RuntimeError if it waits after all."""
    for _ in step.__await__():  # in place of `send`, which raises StopIteration at the end of each
        step.close()
        raise RuntimeError("A step on the short path of audio must not wait for anything.")
