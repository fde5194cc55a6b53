"""The languages of Telnyx's transcription, compared with Telnyx's own SDK, which only tests install."""

from typing import get_args

from telnyx.types.calls.google_transcription_language import GoogleTranscriptionLanguage

from phone_numbers.carriers.telnyx.speech import TRANSCRIPTION_LANGUAGES, transcription_fields


def test_the_languages_match_the_sdk() -> None:
    assert get_args(GoogleTranscriptionLanguage) == TRANSCRIPTION_LANGUAGES


def test_a_language_is_sent_as_the_nearest_code() -> None:
    sent = [
        transcription_fields(code, interim=False)["transcription_engine_config"]["language"]
        for code in ("de-AT", "nb", "")
    ]
    assert sent == ["de", "no", "en"]
