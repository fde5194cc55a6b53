"""Speech for tests: speaks sentences as a caller, and transcribes what an agent says.

Tests use sentences that the recognizer understands reliably, whatever the length of silence around them: it hears
"from nine to five" as "for Mt." one time in fifteen, and "goodbye" as "Dubai".

It has its own event loop, so that its models are loaded once and not for every test.
"""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from agents import speech
from bubblyphone.core.audio import Resampler

Result = TypeVar("Result")


def plain(text: str) -> str:
    """Lowercase and without hyphens, which recognizers use inconsistently."""
    return text.lower().replace("-", " ")


class Voices:
    """`with Voices() as voices: await voices.say("Hello")`."""

    def __init__(self) -> None:
        self._spoken: dict[str, bytes] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(speech.close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def say(self, text: str) -> bytes:
        """A caller's sentence in phone quality: spoken at 8 kHz, returned as 16 kHz PCM16."""
        if text not in self._spoken:
            self._spoken[text] = Resampler(8000, 16000).process(await self._run(speech.say_8k(text)))
        return self._spoken[text]

    async def understand(self, pcm16_16k: bytes) -> str:
        """The words that are said, in lowercase."""
        return plain((await self._run(speech.transcribe(pcm16_16k))).text)

    async def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        async with asyncio.timeout(60):
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
