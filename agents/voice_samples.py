"""How voices sound before there is a call: the offline voice, and those of vendors' models, which speak in sessions alone.

A vendor's voice says one sentence in a session at the key of the account that asks first. It is stored for all accounts if it is that
sentence, by the vendor's transcript: a model may say something else, or break off.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from cryptography.fernet import InvalidToken

from accounts.models import Developer
from agents import speech
from agents.model_catalog.custom_models import is_custom
from agents.models import AIModel, ModelKey, VoiceSample
from agents.providers.base import ProviderError, RealtimeSession, SessionConfig
from agents.providers.model_events import AudioDelta, OutputTranscript, TurnDone
from agents.providers.registry import get_model
from bubblyphone.core.audio import PCM16_24K, decode_payload, make_transcoder, wav_file
from bubblyphone.core.crypto import decrypt
from bubblyphone.core.errors import NotFound, TooManyRequests, UpstreamFailed
from bubblyphone.core.network.waiting import run_waiting
from bubblyphone.core.redis.ratelimit import at_most, hit

TEXT = "Hello. This is how I sound on the phone. How can I help you today?"
INSTRUCTIONS = "Say the text that you are given, word for word, and nothing else."
RATE = 16_000
TIMEOUT_SECONDS = 30  # the speech worker may have to start
SESSION_SECONDS = 25  # of a vendor: to connect and to say the sentence
WORDS_SECONDS = 1.0  # how much later than the sound its transcript may be complete
LONGEST_SECONDS = 20  # of sound; the sentence takes five
MADE_IN_AN_HOUR = 30  # for one account
_NO_LETTER = re.compile(r"[\W_]+")
_samples: dict[str, bytes] = {}  # rendered once in each process


class Said(NamedTuple):
    """What a model said: PCM16 mono, 24 kHz, and the words by its own transcript."""

    sound: bytes
    words: str

    @property
    def is_the_sentence(self) -> bool:
        return _NO_LETTER.sub("", self.words).casefold() == _NO_LETTER.sub("", TEXT).casefold()


async def offline_sample() -> bytes:
    """A WAV file, 16 kHz mono, of the offline voice. Raises NotFound where offline speech is not installed, and SpeechError."""
    if not speech.is_installed():
        raise NotFound("Offline speech is not installed on this server.")
    if TEXT not in _samples:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            _samples[TEXT] = wav_file(b"".join([piece async for piece in speech.synthesize(TEXT, RATE)]), RATE)
    return _samples[TEXT]


def vendor_sample(*, developer: Developer, model: AIModel, voice: str) -> bytes:
    """A WAV file, 24 kHz mono, of a voice of a catalog model: the stored one, else a new one at the account's own key.

    Raises NotFound for a voice that the model lacks and where there is no key, TooManyRequests, and UpstreamFailed if the vendor does.
    """
    if is_custom(model) or voice not in model.can.voices:
        raise NotFound("There are no samples of this voice.")
    name = {"provider": model.provider, "upstream_model": model.upstream_id, "voice": voice}
    stored = VoiceSample.objects.filter(**name).first()
    if stored is None:
        said = _make(developer, model, voice)
        sound = wav_file(said.sound, PCM16_24K.sample_rate)
        if not said.is_the_sentence:
            return sound
        stored, _ = VoiceSample.objects.get_or_create(**name, defaults={"sound": sound})
    return bytes(stored.sound)


def _make(developer: Developer, model: AIModel, voice: str) -> Said:
    vendor = model.get_provider_display()
    key = ModelKey.objects.filter(developer=developer, provider=model.provider).order_by("-pk").first()
    if key is None:
        raise NotFound(f"Add your own {vendor} key to hear this voice.")
    bucket = f"voice-sample:{developer.pk}"
    with at_most(
        1, bucket, lease_seconds=SESSION_SECONDS + 5, message="Another sample is being made. Try again in a moment."
    ):
        allowance = hit(bucket, limit=MADE_IN_AN_HOUR, window_seconds=3600)
        if allowance.is_exceeded:
            raise TooManyRequests(
                "You have made many samples in the last hour. Try again later.", allowance.retry_after
            )
        try:
            return run_waiting(say_once, model, voice, decrypt(key.encrypted))
        except (InvalidToken, ProviderError, TimeoutError) as error:
            raise UpstreamFailed(f"{vendor} could not say the sample with your key.") from error


async def say_once(model: AIModel, voice: str, api_key: str) -> Said:
    """The sentence, said in its own session. Raises ProviderError, TimeoutError."""
    config = SessionConfig(
        upstream_model=model.upstream_id,
        instructions=INSTRUCTIONS,
        caller_format=PCM16_24K,
        voice=voice,
        capabilities=model.can,
        api_key=api_key,
    )
    async with asyncio.timeout(SESSION_SECONDS):
        session = await get_model(model.provider).connect(config)
        try:
            await session.say(TEXT)
            return await _listen(session)
        finally:
            await session.close()


async def _listen(session: RealtimeSession) -> Said:
    """What the model says until it has finished. Raises ProviderError if that is nothing, too much or no sound."""
    convert = make_transcoder(session.output_format, PCM16_24K)
    sound, words, is_done = bytearray(), "", False
    with suppress(TimeoutError):
        async with asyncio.timeout(None) as patience:
            async for event in session.events():
                match event:
                    case AudioDelta(_, payload):
                        sound += _decode(payload, convert)
                    case OutputTranscript(_, text):
                        words += text
                    case TurnDone():
                        is_done = True
                        patience.reschedule(asyncio.get_running_loop().time() + WORDS_SECONDS)
                if is_done and Said(bytes(sound), words).is_the_sentence:
                    break
                if len(sound) > LONGEST_SECONDS * 1000 * PCM16_24K.bytes_per_ms:
                    raise ProviderError("The model does not stop.", retryable=True)
    if not sound:
        raise ProviderError("The model said nothing.", retryable=True)
    return Said(bytes(sound), words)


def _decode(payload: str, convert: Callable[[str], str] | None) -> bytes:
    try:
        return decode_payload(convert(payload) if convert else payload)
    except ValueError as error:
        raise ProviderError("The model sent no sound.", retryable=True) from error
