"""Language codes as the vendors expect them."""

import pytest

from agents.model_catalog import languages
from agents.models import AIModel
from agents.transcription.whisper import LANGUAGES as WHISPER_LANGUAGES


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "openai", "gemini", "whisper"),
    [
        ("nb-NO", "no", "", "no"),
        ("nn-NO", "no", "", "no"),
        ("fil-PH", "tl", "", "tl"),
        ("cmn-CN", "zh", "", "zh"),
        ("yue-HK", "zh", "", "zh"),
        ("zh-yue-HK", "zh", "", "zh"),
        ("zh-Hant", "zh", "", "zh"),
        ("iw-IL", "he", "", "he"),
        ("EN-US", "en", "en-US", "en"),
        ("en-nz", "en", "en-US", "en"),
        ("en", "en", "en-US", "en"),
        ("es-419", "es", "es-US", "es"),
        ("es-ES", "es", "es-ES", "es"),
        ("pt-PT", "pt", "pt-BR", "pt"),
        ("arb-EG", "ar", "ar-XA", "ar"),
        ("in-ID", "id", "id-ID", "id"),
        ("sr-Latn-RS", "sr", "", "sr"),
        ("zsm", "ms", "", "ms"),
        ("de-DE-u-co-phonebk", "de", "de-DE", "de"),
        ("gsw-CH", "", "", ""),
        ("eo", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_each_vendor_gets_a_supported_code_or_none(language: str, openai: str, gemini: str, whisper: str) -> None:
    models = {model.slug: model.can for model in AIModel.objects.all()}
    assert models["gpt-realtime-1.5"].session_language(language) == openai
    assert models["gemini-3.1-flash-live"].session_language(language) == gemini
    assert languages.nearest_code(language, WHISPER_LANGUAGES) == whisper


@pytest.mark.parametrize(
    "tag",
    [
        "en",
        "EN-us",
        "zh-Hant-TW",
        "zh-yue",
        "es-419",
        "ca-valencia",
        "de-1996",
        "sl-rozaj-biske",
        "en-x-ours",
        "fil-PH",
    ],
)
def test_bcp_47_is_accepted(tag: str) -> None:
    assert languages.is_valid(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "e",
        "english",
        "en_US",
        "en-",
        "-en",
        "en-U",
        "en-USA",
        "en US",
        "x-ours",
        "i-klingon",
        "12",
        "de-DE-1",
        "ｅｎ",
        "en-US\n",
    ],
)
def test_invalid_bcp_47_is_refused(tag: str) -> None:
    assert not languages.is_valid(tag)
