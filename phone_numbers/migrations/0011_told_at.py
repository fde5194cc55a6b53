from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def note_who_was_told(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    accounts = apps.get_model("numbers", "CarrierAccount").objects
    accounts.filter(failing_since__isnull=False).update(told_at=F("failing_since"))


class Migration(migrations.Migration):
    safe_beside_old_code = "Fills a new column that the code before neither reads nor writes."
    dependencies = [("numbers", "0010_screening_and_fallback")]

    operations = [
        migrations.AddField("carrieraccount", "told_at", models.DateTimeField(null=True)),
        migrations.RunPython(note_who_was_told, migrations.RunPython.noop),
    ]
