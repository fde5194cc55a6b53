"""Speaking, transcription and recording, with the names of voices and languages that commands use."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from agents.model_catalog.languages import nearest_code
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import Recording, Speech
from phone_numbers.carriers.telnyx import webhooks
from phone_numbers.carriers.telnyx.account import TelnyxAccount

# Languages of the voices "female" and "male". Voices of other vendors, such as "AWS.Polly.Joanna-Neural", imply their language.
LANGUAGES = (
    "arb", "cmn-CN", "cy-GB", "da-DK", "de-DE", "en-US", "en-AU", "en-GB", "en-GB-WLS", "en-IN", "es-ES", "es-MX", "es-US",
    "fr-FR", "fr-CA", "hi-IN", "is-IS", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ro-RO",
    "ru-RU", "sv-SE", "tr-TR",
)  # fmt: skip
# Languages of the engine "Google": https://developers.telnyx.com/api-reference/call-commands/transcription-start
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


class TelnyxSpeech(Speech):
    """Speech for an account."""

    account: TelnyxAccount
    max_speech_characters = 3000

    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        body = {"payload": text, "payload_type": "text", **voice_fields(voice, language)}
        self.account.command(carrier_call_id, "speak", command_id, body)

    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        self.account.command(carrier_call_id, "playback_stop", command_id, {"stop": "all"})

    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        try:
            body = transcription_fields(language, interim=interim)
            self.account.command(carrier_call_id, "transcription_start", command_id, body)
        except CarrierError as error:
            if error.reason != "already_transcribing":
                raise

    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        self.account.command(carrier_call_id, "transcription_stop", command_id, {})


class TelnyxRecording(Recording):
    """Recording for an account."""

    account: TelnyxAccount

    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        state = webhooks.encode_client_state(client_state)
        body = {"channels": "dual", "format": "wav", "client_state": state}
        self.account.command(carrier_call_id, "record_start", command_id, body)

    def download_headers(self, url: str) -> Mapping[str, str] | None:
        """None: the exchange's URLs need no credentials, and Telnyx's are signed URLs of a storage on another host."""
        return {} if urlsplit(url)[:2] == urlsplit(self.account.base_url)[:2] else None


def voice_fields(voice: str, language: str) -> dict[str, str]:
    """A voice in Telnyx's notation, `<Provider>.<Model>.<Id>`, is used unchanged; other names are voices of a model."""
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
