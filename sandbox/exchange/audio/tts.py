"""The voice of the exchange: of handsets that speak, and of `speak`."""

from collections.abc import Awaitable, Callable

Tts = Callable[[str], Awaitable[bytes]]
"""Text to 8 kHz PCM16."""
