import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import bubblyphone.core.json.ordered_field
import phone_numbers.carriers.registry
import phone_numbers.models
import phone_numbers.verification.documents
from phone_numbers.migrations._first_prices import add_prices


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("agents", "0001_initial"),
        ("webhooks", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CallScript",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account", models.CharField(max_length=64)),
                ("carrier_call_id", models.CharField(max_length=64)),
                ("state", models.JSONField(default=dict)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [models.Index(fields=["changed_at"], name="call_script_by_age")],
                "constraints": [
                    models.UniqueConstraint(fields=("account", "carrier_call_id"), name="call_script_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="CarrierAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20)),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                ("encrypted", models.TextField()),
                ("last_four", models.CharField(max_length=4)),
                ("checked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("failing_since", models.DateTimeField(null=True)),
                ("told_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="carrier_accounts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CarrierCommand",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("command_id", models.CharField(max_length=64, unique=True)),
                ("result", models.CharField(blank=True, default="", max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["created_at"], name="carrier_command_by_age"),
                    models.Index(
                        condition=models.Q(("result", ""), _negated=True),
                        fields=["result"],
                        name="carrier_command_by_result",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CountryRequirements",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("carrier", models.CharField(default=phone_numbers.carriers.registry.default_carrier, max_length=20)),
                ("country_code", models.CharField(max_length=2)),
                (
                    "number_type",
                    models.CharField(
                        choices=[
                            ("local", "Local"),
                            ("mobile", "Mobile"),
                            ("toll_free", "Toll Free"),
                            ("national", "National"),
                        ],
                        max_length=10,
                    ),
                ),
                ("items", models.JSONField(default=list)),
                ("fetched_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("carrier", "country_code", "number_type"), name="country_requirements_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NumberPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("country_code", models.CharField(max_length=2)),
                (
                    "number_type",
                    models.CharField(
                        choices=[
                            ("local", "Local"),
                            ("mobile", "Mobile"),
                            ("toll_free", "Toll Free"),
                            ("national", "National"),
                        ],
                        max_length=10,
                    ),
                ),
                ("setup_cost", models.DecimalField(decimal_places=6, max_digits=18)),
                ("monthly_cost", models.DecimalField(decimal_places=6, max_digits=18)),
            ],
            options={
                "ordering": ["country_code", "number_type"],
                "constraints": [
                    models.UniqueConstraint(fields=("country_code", "number_type"), name="number_price_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="PhoneNumber",
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
                ("e164", models.CharField(max_length=20)),
                ("country_code", models.CharField(max_length=2)),
                (
                    "number_type",
                    models.CharField(
                        choices=[
                            ("local", "Local"),
                            ("mobile", "Mobile"),
                            ("toll_free", "Toll Free"),
                            ("national", "National"),
                        ],
                        max_length=10,
                    ),
                ),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("suspended", "Suspended"), ("released", "Released")],
                        default="active",
                        max_length=10,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("webhook", "Webhook"), ("streaming", "Streaming")], default="webhook", max_length=10
                    ),
                ),
                ("webhook_url", models.URLField(blank=True, default="", max_length=2000)),
                ("monthly_cost", models.DecimalField(decimal_places=6, max_digits=18)),
                ("daily_cap", models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True)),
                ("max_concurrent_calls", models.PositiveIntegerField(blank=True, null=True)),
                ("carrier", models.CharField(default=phone_numbers.carriers.registry.default_carrier, max_length=20)),
                ("carrier_ref", models.CharField(blank=True, default="", max_length=100)),
                (
                    "source",
                    models.CharField(
                        choices=[("purchased", "Purchased"), ("imported", "Imported")],
                        db_default="purchased",
                        default="purchased",
                        max_length=10,
                    ),
                ),
                ("previous_routing", models.TextField(blank=True, db_default="", default="")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("months_paid", models.PositiveIntegerField(default=1)),
                ("unpaid_since", models.DateTimeField(null=True)),
                ("suspended_at", models.DateTimeField(null=True)),
                ("release_ordered_at", models.DateTimeField(null=True)),
                ("released_at", models.DateTimeField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="phone_numbers",
                        to="agents.agent",
                    ),
                ),
                (
                    "agent_version",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="phone_numbers",
                        to="agents.agentversion",
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="phone_numbers",
                        to=settings.AUTH_USER_MODEL,
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
                (
                    "signing_secret",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="webhooks.signingsecret"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="NumberPurchase",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("carrier", models.CharField(default=phone_numbers.carriers.registry.default_carrier, max_length=20)),
                ("e164", models.CharField(max_length=20)),
                ("country_code", models.CharField(max_length=2)),
                (
                    "number_type",
                    models.CharField(
                        choices=[
                            ("local", "Local"),
                            ("mobile", "Mobile"),
                            ("toll_free", "Toll Free"),
                            ("national", "National"),
                        ],
                        max_length=10,
                    ),
                ),
                ("label", models.CharField(blank=True, default="", max_length=100)),
                ("webhook_url", models.URLField(blank=True, default="", max_length=2000)),
                ("setup_cost", models.DecimalField(decimal_places=6, max_digits=18)),
                ("monthly_cost", models.DecimalField(decimal_places=6, max_digits=18)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("bought", "Bought"), ("refused", "Refused")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "agent",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="agents.agent"
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="number_purchases",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phone_number",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purchase",
                        to="numbers.phonenumber",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Verification",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.CharField(default=phone_numbers.models.make_verification_id, max_length=20, unique=True),
                ),
                ("country_code", models.CharField(max_length=2)),
                (
                    "number_type",
                    models.CharField(
                        choices=[
                            ("local", "Local"),
                            ("mobile", "Mobile"),
                            ("toll_free", "Toll Free"),
                            ("national", "National"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("approved", "Approved"), ("rejected", "Rejected")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("rejection_reason", models.TextField(blank=True, default="")),
                ("submitted_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("reviewed_at", models.DateTimeField(null=True)),
                ("expires_on", models.DateField(null=True)),
                ("carrier", models.CharField(default=phone_numbers.carriers.registry.default_carrier, max_length=20)),
                ("carrier_ref", models.CharField(blank=True, default="", max_length=100)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verifications",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VerificationDocument",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("requirement_id", models.CharField(max_length=100)),
                ("name", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=20)),
                ("value", models.TextField(blank=True, default="")),
                (
                    "file",
                    models.FileField(
                        blank=True,
                        max_length=200,
                        storage=phone_numbers.verification.documents.document_storage,
                        upload_to=phone_numbers.verification.documents.document_path,
                    ),
                ),
                ("filename", models.CharField(blank=True, default="", max_length=255)),
                ("content_type", models.CharField(blank=True, default="", max_length=50)),
                (
                    "verification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="documents", to="numbers.verification"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="VerificationEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("approved", "Approved"), ("rejected", "Rejected")],
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "verification",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="numbers.verification"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="phonenumber",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "released"), _negated=True), fields=("e164",), name="number_owned_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="numberpurchase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "pending")), fields=("e164",), name="purchase_pending_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="verification",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "rejected"), _negated=True),
                fields=("developer", "carrier", "country_code", "number_type"),
                name="verification_standing_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="verificationdocument",
            constraint=models.UniqueConstraint(
                fields=("verification", "requirement_id"), name="verification_document_once"
            ),
        ),
        migrations.RunPython(add_prices, migrations.RunPython.noop),
    ]
