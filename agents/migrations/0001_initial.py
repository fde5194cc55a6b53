import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import agents.models
import bubblyphone.core.json.ordered_field
from agents.migrations._first_models import add_models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("webhooks", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AIModel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=80, unique=True)),
                ("aliases", models.JSONField(blank=True, default=list)),
                (
                    "provider",
                    models.CharField(
                        choices=[("openai", "OpenAI"), ("google", "Google"), ("local", "Local")], max_length=10
                    ),
                ),
                ("display_name", models.CharField(max_length=100)),
                ("upstream_id", models.CharField(max_length=100)),
                ("price_per_minute", models.DecimalField(decimal_places=6, max_digits=18)),
                ("is_enabled", models.BooleanField(default=True)),
                (
                    "capabilities",
                    models.JSONField(blank=True, default=dict, validators=[agents.models.validate_capabilities]),
                ),
                ("retires_on", models.DateField(blank=True, null=True)),
                ("position", models.PositiveSmallIntegerField(default=100)),
                (
                    "successor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="agents.aimodel",
                    ),
                ),
            ],
            options={
                "verbose_name": "AI model",
                "ordering": ["position", "slug"],
            },
        ),
        migrations.CreateModel(
            name="ModelKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(choices=[("openai", "OpenAI"), ("google", "Google")], max_length=10)),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                ("encrypted", models.TextField()),
                ("last_four", models.CharField(max_length=4)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="model_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("model_slug", models.CharField(blank=True, max_length=80, null=True)),
                ("system_prompt", models.TextField(blank=True, null=True)),
                ("greeting_message", models.TextField(blank=True, null=True)),
                ("voice", models.CharField(blank=True, max_length=80, null=True)),
                ("language", models.CharField(blank=True, max_length=20, null=True)),
                ("tools", bubblyphone.core.json.ordered_field.OrderedJSONField(blank=True, null=True)),
                ("tool_webhook_url", models.URLField(blank=True, max_length=2000, null=True)),
                ("lookup_url", models.URLField(blank=True, max_length=2000, null=True)),
                ("default_variables", bubblyphone.core.json.ordered_field.OrderedJSONField(blank=True, null=True)),
                ("transfer_number", models.CharField(blank=True, max_length=200, null=True)),
                ("auto_transfer_tool", models.BooleanField(null=True)),
                ("hang_up_tool", models.BooleanField(null=True)),
                ("keypad_tool", models.BooleanField(null=True)),
                ("opt_out_tool", models.BooleanField(null=True)),
                ("recording_enabled", models.BooleanField(null=True)),
                ("transcription_enabled", models.BooleanField(null=True)),
                ("realtime_transcript", models.BooleanField(null=True)),
                (
                    "voicemail_action",
                    models.CharField(
                        blank=True,
                        choices=[("hangup", "Hangup"), ("ai_message", "Ai Message")],
                        max_length=12,
                        null=True,
                    ),
                ),
                ("screening_message", models.CharField(blank=True, max_length=500, null=True)),
                ("fallback_number", models.CharField(blank=True, max_length=200, null=True)),
                ("max_call_duration", models.PositiveIntegerField(null=True)),
                ("silence_timeout", models.PositiveIntegerField(null=True)),
                ("silence_prompt", models.BooleanField(null=True)),
                (
                    "first_speaker",
                    models.CharField(
                        blank=True, choices=[("agent", "Agent"), ("caller", "Caller")], max_length=6, null=True
                    ),
                ),
                ("interruptible", models.BooleanField(null=True)),
                (
                    "interruption_sensitivity",
                    models.CharField(
                        blank=True,
                        choices=[("low", "Low"), ("medium", "Medium"), ("high", "High")],
                        max_length=6,
                        null=True,
                    ),
                ),
                ("fallback_model", models.CharField(blank=True, max_length=80, null=True)),
                (
                    "reasoning_effort",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("minimal", "Minimal"),
                            ("low", "Low"),
                            ("medium", "Medium"),
                            ("high", "High"),
                            ("xhigh", "Xhigh"),
                        ],
                        max_length=7,
                        null=True,
                    ),
                ),
                (
                    "noise_reduction",
                    models.CharField(
                        blank=True,
                        choices=[("near_field", "Near Field"), ("far_field", "Far Field")],
                        max_length=10,
                        null=True,
                    ),
                ),
                ("max_cost_per_call", models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True)),
                ("name", models.CharField(max_length=100)),
                ("description", models.CharField(blank=True, default="", max_length=500)),
                ("analysis_schema", bubblyphone.core.json.ordered_field.OrderedJSONField(blank=True, null=True)),
                ("daily_cap", models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("version", models.PositiveIntegerField(db_default=1, default=1)),
                ("draft", models.TextField(blank=True, db_default="", default="")),
                ("draft_version", models.PositiveIntegerField(null=True)),
                ("draft_saved_at", models.DateTimeField(null=True)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="agents", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "signing_secret",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="webhooks.signingsecret",
                    ),
                ),
                (
                    "model_key",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="agents.modelkey",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="VoiceSample",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=10)),
                ("upstream_model", models.CharField(max_length=100)),
                ("voice", models.CharField(max_length=100)),
                ("sound", models.BinaryField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "upstream_model", "voice"), name="voice_sample_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="AgentVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("values", bubblyphone.core.json.ordered_field.OrderedJSONField(default=dict)),
                ("published_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("restored", models.PositiveIntegerField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="agents.agent"
                    ),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="accounts.apikey"
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "constraints": [models.UniqueConstraint(fields=("agent", "number"), name="agent_version_once")],
            },
        ),
        migrations.CreateModel(
            name="Secret",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=64)),
                ("encrypted", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="secrets", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("developer", "name"), name="secret_once_by_name")],
            },
        ),
        migrations.RunPython(add_models, migrations.RunPython.noop),
    ]
