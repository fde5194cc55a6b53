"""Models of autumn 2026, and what replaces which. Data from here on: staff edit it in the admin."""

from decimal import Decimal

from agents.migrations._first_models import GEMINI, OPENAI

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
]
SUCCESSORS = {
    "gemini-3.1-flash-live": "gemini-3.8-live",
    "gpt-realtime-mini": "gpt-realtime-2.1-mini",
}


def add_models(apps, schema_editor):
    AIModel = apps.get_model("agents", "AIModel")
    for entry in MODELS:
        AIModel.objects.get_or_create(slug=entry["slug"], defaults=entry)
    for slug, successor in SUCCESSORS.items():
        AIModel.objects.filter(slug=slug, successor=None).update(successor=AIModel.objects.get(slug=successor))
