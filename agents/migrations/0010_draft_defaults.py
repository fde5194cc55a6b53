from django.db import migrations, models


class Migration(migrations.Migration):
    """Code from before drafts and versions inserts agents without these columns."""

    dependencies = [
        ("agents", "0009_models_of_2026"),
    ]

    operations = [
        migrations.AlterField(
            model_name="agent",
            name="draft",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AlterField(
            model_name="agent",
            name="version",
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
    ]
