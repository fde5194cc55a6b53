"""Telnyx's voices and transcription, as commands name them."""

from typing import Any

from agents.languages import nearest_code

# Spoken by the voices "female" and "male"; voices of other makers, "AWS.Polly.Joanna-Neural", bring their language with them.
LANGUAGES = (
    "arb", "cmn-CN", "cy-GB", "da-DK", "de-DE", "en-US", "en-AU", "en-GB", "en-GB-WLS", "en-IN", "es-ES", "es-MX", "es-US",
    "fr-FR", "fr-CA", "hi-IN", "is-IS", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ro-RO",
    "ru-RU", "sv-SE", "tr-TR",
)  # fmt: skip
# Of the engine "Google": https://developers.telnyx.com/api-reference/call-commands/transcription-start
TRANSCRIPTION_LANGUAGES = (
    "af", "sq", "am", "ar", "hy", "az", "eu", "bn", "bs", "bg", "my", "ca", "yue", "zh", "hr", "cs", "da", "nl", "en",
    "et", "fil", "fi", "fr", "gl", "ka", "de", "el", "gu", "iw", "hi", "hu", "is", "id", "it", "ja", "jv", "kn", "kk",
    "km", "ko", "lo", "lv", "lt", "mk", "ms", "ml", "mr", "mn", "ne", "no", "fa", "pl", "pt", "pa", "ro", "ru", "rw",
    "sr", "si", "sk", "sl", "ss", "st", "es", "su", "sw", "sv", "ta", "te", "th", "tn", "tr", "ts", "uk", "ur", "uz",
    "ve", "vi", "xh", "zu",
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
    """Transcribes the caller's track only, not our own speech."""
    config = {
        "transcription_engine": ENGINE,
        "language": nearest_code(language, TRANSCRIPTION_LANGUAGES) or "en",
        "interim_results": interim,
    }
    return {"transcription_engine": ENGINE, "transcription_engine_config": config, "transcription_tracks": "inbound"}
