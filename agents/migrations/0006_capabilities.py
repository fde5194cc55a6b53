"""Models say what they can do, and when their vendor ends them."""

import django.db.models.deletion
from django.db import migrations, models

import agents.models


class Migration(migrations.Migration):
    dependencies = [("agents", "0005_interruptions_and_fallback")]

    operations = [
        migrations.AddField(
            model_name="aimodel",
            name="capabilities",
            field=models.JSONField(blank=True, default=dict, validators=[agents.models.validate_capabilities]),
        ),
        migrations.AlterField(
            model_name="aimodel",
            name="provider",
            field=models.CharField(
                choices=[("openai", "OpenAI"), ("google", "Google"), ("local", "Local")], max_length=10
            ),
        ),
        migrations.AddField(model_name="aimodel", name="retires_on", field=models.DateField(blank=True, null=True)),
        migrations.AddField(
            model_name="aimodel",
            name="successor",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="agents.aimodel",
            ),
        ),
    ]
