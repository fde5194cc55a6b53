"""The first AI models, in the order that the API lists them, and what each can do. From here on they are data: staff edit them in the admin."""

import datetime
from decimal import Decimal

# https://platform.openai.com/docs/guides/realtime. Languages: those that the vendor's transcription takes (ISO 639-1).
OPENAI = {
    "noise_reduction": ["near_field", "far_field"],
    "semantic_turns": True,
    "async_tools": True,
    "content_updates": True,
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
LOCAL = {"async_tools": True, "content_updates": True, "voices": ["Joe"], "languages": ["en"]}
# https://platform.openai.com/docs/guides/realtime-models-prompting: reasoning from "minimal" to "xhigh", "low" unless chosen.
OPENAI_REASONING = {"reasoning_efforts": ["minimal", "low", "medium", "high", "xhigh"], **OPENAI}
# https://ai.google.dev/gemini-api/docs/models/gemini-3.8-live: no thinking level; tools do not hold up the conversation, and content
# can be added to it at any time.
GEMINI_38 = {name: value for name, value in GEMINI.items() if name != "reasoning_efforts"} | {
    "async_tools": True,
    "content_updates": True,
}
MODELS = [
    {
        "slug": "gemini-3.1-flash-live",
        "aliases": ["gemini-3.1-flash-live-preview"],
        "provider": "google",
        "display_name": "Gemini 3.1 Flash Live",
        "upstream_id": "gemini-3.1-flash-live-preview",
        "price_per_minute": Decimal("0.04"),
        "capabilities": GEMINI,
        "position": 10,
    },
    {
        "slug": "gpt-realtime-1.5",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime 1.5",
        "upstream_id": "gpt-realtime-1.5",
        "price_per_minute": Decimal("0.12"),
        "capabilities": OPENAI,
        "position": 20,
    },
    {
        "slug": "gpt-realtime-mini",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime Mini",
        "upstream_id": "gpt-realtime-mini",
        "price_per_minute": Decimal("0.04"),
        "capabilities": OPENAI,
        "retires_on": datetime.date(2027, 1, 20),  # https://platform.openai.com/docs/deprecations
        "position": 30,
    },
    {
        "slug": "gemini-3.8-live",
        "aliases": [],
        "provider": "google",
        "display_name": "Gemini 3.8 Live",
        "upstream_id": "gemini-3.8-live",
        "price_per_minute": Decimal("0.04"),
        "capabilities": GEMINI_38,
        "position": 32,
    },
    {
        "slug": "gemini-3.8-live-extended-thinking",
        "aliases": [],
        "provider": "google",
        "display_name": "Gemini 3.8 Live Extended Thinking",
        "upstream_id": "gemini-3.8-live-extended-thinking",
        "price_per_minute": Decimal("0.08"),
        "capabilities": GEMINI_38,
        "position": 34,
    },
    {
        "slug": "gpt-realtime-2.1",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime 2.1",
        "upstream_id": "gpt-realtime-2.1",
        "price_per_minute": Decimal("0.15"),
        "capabilities": OPENAI_REASONING,
        "position": 36,
    },
    {
        "slug": "gpt-realtime-2.1-mini",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime 2.1 Mini",
        "upstream_id": "gpt-realtime-2.1-mini",
        "price_per_minute": Decimal("0.05"),
        "capabilities": OPENAI_REASONING,
        "position": 38,
    },
    {
        "slug": "local-offline",
        "aliases": [],
        "provider": "local",
        "display_name": "Local Offline (scripted demo agent)",
        "upstream_id": "local-offline",
        "price_per_minute": Decimal("0"),
        "capabilities": LOCAL,
        "position": 40,
    },
]
# Which model replaces which.
SUCCESSORS = {
    "gemini-3.1-flash-live": "gemini-3.8-live",
    "gpt-realtime-mini": "gpt-realtime-2.1-mini",
}


def add_models(apps, schema_editor):
    AIModel = apps.get_model("agents", "AIModel")
    rows = {entry["slug"]: AIModel.objects.create(**entry) for entry in MODELS}
    for slug, successor in SUCCESSORS.items():
        rows[slug].successor = rows[successor]
        rows[slug].save(update_fields=["successor"])
