"""Telnyx's voices and its transcription, as far as a command names them."""

from typing import Any, get_args

from telnyx.types.calls.google_transcription_language import GoogleTranscriptionLanguage

from agents.languages import nearest_code

# Spoken by the voices "female" and "male"; voices of other makers, "AWS.Polly.Joanna-Neural", bring their language with them.
LANGUAGES = (
    "arb", "cmn-CN", "cy-GB", "da-DK", "de-DE", "en-US", "en-AU", "en-GB", "en-GB-WLS", "en-IN", "es-ES", "es-MX", "es-US",
    "fr-FR", "fr-CA", "hi-IN", "is-IS", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ro-RO",
    "ru-RU", "sv-SE", "tr-TR",
)  # fmt: skip
DEFAULT_LANGUAGE = "en-US"
DEFAULT_VOICE = "female"
ENGINE = "Google"


def voice_fields(voice: str, language: str) -> dict[str, str]:
    """A voice is taken as it is when it is written as Telnyx writes them, `<Provider>.<Model>.<Id>`; others are a model's."""
    return {
        "voice": voice if voice.count(".") >= 2 else DEFAULT_VOICE,
        "language": nearest_code(language, LANGUAGES) or DEFAULT_LANGUAGE,
    }


def transcription_fields(language: str, *, interim: bool) -> dict[str, Any]:
    """The caller's track alone: our own speech is not to be heard."""
    config = {
        "transcription_engine": ENGINE,
        "language": nearest_code(language, get_args(GoogleTranscriptionLanguage)) or "en",
        "interim_results": interim,
    }
    return {"transcription_engine": ENGINE, "transcription_engine_config": config, "transcription_tracks": "inbound"}
