"""Audio of announcements: speech, tones instead of speech, and WAV files."""

import asyncio
import base64
import html
import io
import logging
import re
import wave
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import numpy as np

from agents.speech import SpeechError
from agents.speech.sentences import split_for_speech
from bubblyphone.core.audio import Resampler
from sandbox.exchange.announcements import Announcement, AnnouncementFailed
from sandbox.exchange.audio.tones import babble
from sandbox.exchange.audio.tts import Tts

logger = logging.getLogger(__name__)

Render = Callable[[Announcement], Awaitable[None]]

MAX_FILE_BYTES = 20 * 1024 * 1024
FETCH_SECONDS = 10.0


def plain_text(payload: str, payload_type: str) -> str:
    """The text to speak: SSML without its tags."""
    if payload_type != "ssml":
        return payload
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", payload))).strip()


def spoken(text: str, tts: Tts | None) -> Render:
    """Speak a text, sentence by sentence. Without a `tts`, play tones of about the same length."""

    async def render(announcement: Announcement) -> None:
        if tts is None:
            logger.warning("no voice is installed (the `offline` packages): speak plays tones instead")
        for piece in split_for_speech(text):
            announcement.add(await _say(piece, tts))

    return render


async def _say(piece: str, tts: Tts | None) -> bytes:
    if tts is None:
        return babble(piece)
    try:
        return await tts(piece)
    except (SpeechError, OSError) as error:
        logger.warning("the voice failed, speak plays tones instead: %s", error)
        return babble(piece)


def played(body: Mapping[str, Any], http: aiohttp.ClientSession) -> Render:
    """Play the file of a `playback_start` command: its `playback_content` (base64), or the file at its `audio_url`."""

    async def render(announcement: Announcement) -> None:
        if body.get("playback_content"):
            data = base64.b64decode(body["playback_content"])
        else:
            data = await _fetch(body["audio_url"], http)
        # In a thread, because reading a long file takes longer than the running calls' 20 ms per frame.
        announcement.add(await asyncio.to_thread(read_wav, data))

    return render


async def _fetch(url: str, http: aiohttp.ClientSession) -> bytes:
    try:
        async with asyncio.timeout(FETCH_SECONDS), http.get(url) as response:
            if response.status != 200:
                raise AnnouncementFailed("file_not_found", f"Downloading the file failed: HTTP {response.status}.")
            data = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise AnnouncementFailed("failed", "The file is too large.")
            return bytes(data)
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise AnnouncementFailed("file_not_found", "Downloading the file failed.") from error


def read_wav(data: bytes) -> bytes:
    """Convert a 16-bit WAV of any sample rate to 8 kHz mono PCM16. Raises AnnouncementFailed."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise AnnouncementFailed("failed", "The built-in exchange plays 16-bit WAV files only.")
            rate, channels = file.getframerate(), file.getnchannels()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)
    except (wave.Error, EOFError, ValueError) as error:
        raise AnnouncementFailed("failed", "The built-in exchange plays 16-bit WAV files only.") from error
    mono = samples.mean(axis=1).astype("<i2").tobytes()
    return mono if rate == 8000 else Resampler(rate, 8000).process(mono)
