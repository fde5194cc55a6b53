"""How voices sound before there is a call: the offline voice, and those of vendors' models, which speak in sessions alone.

A vendor's voice says one sentence in a session at the key of the account that asks first. What it said is stored for all accounts.
"""

import asyncio
from base64 import b64decode

from accounts.models import Developer
from agents import speech
from agents.model_catalog.custom_models import is_custom
from agents.models import AIModel, ModelKey, VoiceSample
from agents.providers.base import ProviderError, RealtimeSession, SessionConfig
from agents.providers.model_events import AudioDelta, TurnDone
from agents.providers.registry import get_model
from bubblyphone.core.audio import PCM16_24K, make_transcoder, wav_file
from bubblyphone.core.crypto import decrypt
from bubblyphone.core.errors import NotFound, TooManyRequests, UpstreamFailed
from bubblyphone.core.ratelimit import at_most, hit
from bubblyphone.core.waiting import run_waiting

TEXT = "Hello. This is how I sound on the phone. How can I help you today?"
INSTRUCTIONS = "Say the text that you are given, word for word, and nothing else."
RATE = 16_000
TIMEOUT_SECONDS = 30  # the speech worker may have to start
SESSION_SECONDS = 25  # of a vendor: to connect and to say the sentence
MADE_IN_AN_HOUR = 30  # for one account
_samples: dict[str, bytes] = {}  # rendered once in each process


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
        sound = _make(developer, model, voice)
        stored, _ = VoiceSample.objects.get_or_create(**name, defaults={"sound": sound})
    return bytes(stored.sound)


def _make(developer: Developer, model: AIModel, voice: str) -> bytes:
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
        except (ProviderError, TimeoutError) as error:
            raise UpstreamFailed(f"{vendor} could not say the sample with your key.") from error


async def say_once(model: AIModel, voice: str, api_key: str) -> bytes:
    """The sentence as a WAV file, 24 kHz mono, said in a session of its own. Raises ProviderError, TimeoutError."""
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
            return wav_file(await _sound_of_turn(session), PCM16_24K.sample_rate)
        finally:
            await session.close()


async def _sound_of_turn(session: RealtimeSession) -> bytes:
    """PCM16, 24 kHz, of what the model says until it has finished. Raises ProviderError if that is nothing."""
    convert = make_transcoder(session.output_format, PCM16_24K)
    sound = bytearray()
    async for event in session.events():
        if isinstance(event, AudioDelta):
            sound += b64decode(convert(event.payload) if convert else event.payload)
        elif isinstance(event, TurnDone):
            break
    if not sound:
        raise ProviderError("The model said nothing.", retryable=True)
    return bytes(sound)
