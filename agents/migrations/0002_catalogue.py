"""The models on offer, in the order that the API lists them. From here on they are data: staff edit them in the admin."""

from decimal import Decimal

from django.db import migrations

CATALOGUE = [
    {
        "slug": "gemini-3.1-flash-live",
        "aliases": ["gemini-3.1-flash-live-preview"],
        "provider": "google",
        "display_name": "Gemini 3.1 Flash Live",
        "upstream_id": "gemini-3.1-flash-live-preview",
        "price_per_minute": Decimal("0.04"),
    },
    {
        "slug": "gpt-realtime-1.5",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime 1.5",
        "upstream_id": "gpt-realtime-1.5",
        "price_per_minute": Decimal("0.12"),
    },
    {
        "slug": "gpt-realtime-mini",
        "aliases": [],
        "provider": "openai",
        "display_name": "GPT Realtime Mini",
        "upstream_id": "gpt-realtime-mini",
        "price_per_minute": Decimal("0.04"),
    },
    {
        "slug": "local-offline",
        "aliases": [],
        "provider": "local",
        "display_name": "Local Offline (scripted demo agent)",
        "upstream_id": "local-offline",
        "price_per_minute": Decimal("0"),
    },
]


def add_catalogue(apps, schema_editor):
    AIModel = apps.get_model("agents", "AIModel")
    for position, entry in enumerate(CATALOGUE, start=1):
        AIModel.objects.get_or_create(slug=entry["slug"], defaults={**entry, "position": position * 10})


def remove_catalogue(apps, schema_editor):
    apps.get_model("agents", "AIModel").objects.filter(slug__in=[entry["slug"] for entry in CATALOGUE]).delete()


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]

    operations = [migrations.RunPython(add_catalogue, remove_catalogue)]
