from django.db import migrations

from agents.migrations import _first_models, _second_models


def add_content_updates(apps, schema_editor):
    """To the rows of installations that have had these models before."""
    AIModel = apps.get_model("agents", "AIModel")
    models = [*_first_models.MODELS, *_second_models.MODELS]
    slugs = [entry["slug"] for entry in models if entry["capabilities"].get("content_updates")]
    for model in AIModel.objects.filter(slug__in=slugs):
        model.capabilities.setdefault("content_updates", True)
        model.save(update_fields=["capabilities"])


class Migration(migrations.Migration):
    dependencies = [("agents", "0011_screening_and_fallback")]

    safe_beside_old_code = (
        "No release is out that refuses a capability it does not know: the first one reads them by name."
    )
    operations = [migrations.RunPython(add_content_updates, migrations.RunPython.noop)]
