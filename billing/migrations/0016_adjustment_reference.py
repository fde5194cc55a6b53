from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_plain_labels")]

    operations = [
        migrations.AddField(
            "adjustment",
            "reference",
            models.UUIDField(
                unique=True, null=True, blank=True, error_messages={"unique": "You already made this adjustment."}
            ),
        ),
    ]
