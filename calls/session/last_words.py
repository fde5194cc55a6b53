"""What the caller said just before the end: the words may be recognized only afterwards."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from agents.providers.base import ProviderError
from calls.session.model_link import ModelLink
from calls.session.voice_activity import VoiceActivityDetector

# The maximum wait for words. The transcript is announced and read later than that (`calls.clock.sweeper`).
WORDS_SECONDS = 2.5
# If the caller was silent for this long before the end, no words are pending.
RECENT_SECONDS = 10.0


async def hear_last_words(
    link: ModelLink, vad: VoiceActivityDetector, now: Callable[[], float] = time.monotonic
) -> None:
    """Have the model transcribe what it heard last. Its events continue to be read meanwhile."""
    session = link.session
    if session is None or now() - vad.heard_at > RECENT_SECONDS:
        return
    with contextlib.suppress(ProviderError, TimeoutError):
        async with asyncio.timeout(WORDS_SECONDS):
            await session.end_input()
            while link.session is session and session.owes_words:  # noqa: ASYNC110  a session has no event for it
                await asyncio.sleep(0.02)
