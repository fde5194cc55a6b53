"""Text-to-speech of the exchange, for handsets and for `speak`."""

from collections.abc import Awaitable, Callable

Tts = Callable[[str], Awaitable[bytes]]
"""Text to 8 kHz PCM16."""
