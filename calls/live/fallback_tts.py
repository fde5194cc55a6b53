"""The platform's own voice, for sentences that a model cannot say: offline speech if installed, otherwise the carrier's voice."""

import asyncio
import base64
import logging
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from agents import speech
from agents.speech import SpeechError
from bubblyphone.core.audio import PCM16_8K, AudioFormat, make_transcoder
from bubblyphone.core.monitoring.logs import in_context
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import Speech
from phone_numbers.carriers.registry import CarrierCall, get_carrier

logger = logging.getLogger(__name__)
# A rough speaking time; nothing tells a live session when the carrier's voice has finished.
SECONDS_PER_CHARACTER = 0.07
_threads = ThreadPoolExecutor(4, thread_name_prefix="own-voice")


class LocalFallbackTts:
    """Says a text to one caller (calls.session.interfaces.FallbackTts). English. Silent if there is neither voice nor carrier."""

    def __init__(self, audio_format: AudioFormat, call: CarrierCall) -> None:
        self._format = audio_format
        self._call = call

    async def __call__(self, text: str) -> AsyncIterator[str]:
        try:
            async for payload in self._synthesize(text):
                yield payload
        except (SpeechError, OSError):
            logger.warning("The offline voice failed. Using the carrier's voice.")
            if self._call.carrier_call_id is not None:
                await asyncio.get_running_loop().run_in_executor(_threads, in_context(self._have_it_said, text))
                await asyncio.sleep(len(text) * SECONDS_PER_CHARACTER)

    async def _synthesize(self, text: str) -> AsyncIterator[str]:
        if not speech.is_installed():
            raise SpeechError("The offline speech packages are not installed.")
        transcode = make_transcoder(PCM16_8K, self._format) or str
        async for pcm in speech.synthesize(text, PCM16_8K.sample_rate):
            yield transcode(base64.b64encode(pcm).decode())

    def _have_it_said(self, text: str) -> None:
        try:
            get_carrier(self._call, Speech).speak(
                carrier_call_id=self._call.carrier_call_id or "",
                command_id=str(uuid.uuid4()),
                text=text,
                voice="",
                language="en-US",
            )
        except CarrierError as error:
            logger.warning("The carrier could not speak: %s", error)
