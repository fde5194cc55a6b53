"""What each model of the catalog can do, and when its vendor ends it. From here on this is data: staff edit it in the admin."""

import datetime

from django.db import migrations

# https://platform.openai.com/docs/guides/realtime. Languages: those that the vendor's transcription takes (ISO 639-1).
OPENAI = {
    "noise_reduction": ["near_field", "far_field"],
    "semantic_turns": True,
    "async_tools": True,
    "custom_voices": True,
    "voices": ["marin", "cedar", "alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"],
    "languages": [
        "af", "ar", "az", "be", "bg", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "gl", "he",
        "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "kk", "kn", "ko", "lt", "lv", "mi", "mk", "mr", "ms", "ne", "nl", "no",
        "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "sw", "ta", "th", "tl", "tr", "uk", "ur", "vi", "zh",
    ],
}  # fmt: skip
# https://ai.google.dev/gemini-api/docs/live-guide. Chinese is left to the model: the vendor's pages differ about its code.
GEMINI = {
    "reasoning_efforts": ["minimal", "low", "medium", "high"],
    "voices": [
        "Kore", "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede", "Autonoe", "Callirrhoe", "Charon", "Despina",
        "Enceladus", "Erinome", "Fenrir", "Gacrux", "Iapetus", "Laomedeia", "Leda", "Orus", "Puck", "Pulcherrima", "Rasalgethi",
        "Sadachbia", "Sadaltager", "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr", "Zubenelgenubi",
    ],
    "languages": [
        "en-US", "en-GB", "en-AU", "en-IN", "es-US", "es-ES", "fr-FR", "fr-CA", "pt-BR", "ar-XA", "bn-IN", "de-DE", "gu-IN", "hi-IN",
        "id-ID", "it-IT", "ja-JP", "kn-IN", "ko-KR", "ml-IN", "mr-IN", "nl-NL", "pl-PL", "ru-RU", "ta-IN", "te-IN", "th-TH", "tr-TR",
        "vi-VN",
    ],
}  # fmt: skip
LOCAL = {"async_tools": True, "voices": ["Joe"], "languages": ["en"]}
CAPABILITIES = {
    "gemini-3.1-flash-live": GEMINI,
    "gpt-realtime-1.5": OPENAI,
    "gpt-realtime-mini": OPENAI,
    "local-offline": LOCAL,
}
# https://platform.openai.com/docs/deprecations
RETIREMENTS = {"gpt-realtime-mini": datetime.date(2027, 1, 20)}


def fill(apps, schema_editor):
    AIModel = apps.get_model("agents", "AIModel")
    for slug, capabilities in CAPABILITIES.items():
        rows = AIModel.objects.filter(slug=slug)
        rows.update(capabilities=capabilities, retires_on=RETIREMENTS.get(slug))


class Migration(migrations.Migration):
    dependencies = [("agents", "0006_capabilities")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
