"""Who has answered a call of ours: a person, or a machine that takes messages. Pure asyncio."""

import asyncio

# Whoever has said nothing that gives a machine away by then is talked to as a person.
VERDICT_SECONDS = 4.0
# The longest that a machine's greeting is waited out, in case its end is never reported.
GREETING_SECONDS = 15.0
# The longest that leaving a message may take.
MESSAGE_SECONDS = 60.0


class Answering:
    """What is known of the other end. Without `detects` it is a person from the start."""

    def __init__(self, *, detects: bool = False) -> None:
        self.is_machine = False
        self._decided = asyncio.Event()
        self._greeting_over = asyncio.Event()
        if not detects:
            self._decided.set()

    @property
    def is_decided(self) -> bool:
        return self._decided.is_set()

    def person(self) -> None:
        """The carrier says that it is a person."""
        self._decided.set()

    def machine(self) -> bool:
        """The carrier says that it is a machine. False if that is known."""
        is_new, self.is_machine = not self.is_machine, True
        self._decided.set()
        return is_new

    def greeting_ended(self) -> None:
        self._greeting_over.set()

    async def wait_for_verdict(self) -> None:
        """Until it is known, or for 4 s."""
        try:
            async with asyncio.timeout(VERDICT_SECONDS):
                await self._decided.wait()
        except TimeoutError:
            self._decided.set()

    async def wait_for_greeting(self) -> None:
        """Until the machine has said its piece, or for 15 s."""
        try:
            async with asyncio.timeout(GREETING_SECONDS):
                await self._greeting_over.wait()
        except TimeoutError:
            self._greeting_over.set()
