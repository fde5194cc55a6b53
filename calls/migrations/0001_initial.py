from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import bubblyphone.core.ordered_json


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("agents", "0001_initial"),
        ("numbers", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "direction",
                    models.CharField(choices=[("inbound", "Inbound"), ("outbound", "Outbound")], max_length=10),
                ),
                ("from_number", models.CharField(blank=True, default="", max_length=40)),
                ("to_number", models.CharField(blank=True, default="", max_length=40)),
                ("mode", models.CharField(choices=[("webhook", "Webhook"), ("streaming", "Streaming")], max_length=10)),
                ("model_slug", models.CharField(blank=True, default="", max_length=80)),
                ("config", bubblyphone.core.ordered_json.OrderedJSONField(default=dict)),
                ("dynamic_variables", bubblyphone.core.ordered_json.OrderedJSONField(default=dict)),
                ("sandbox", models.BooleanField(default=False)),
                ("demo", models.BooleanField(default=False)),
                ("public_id", models.CharField(max_length=40, null=True, unique=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("initiated", "Initiated"),
                            ("ringing", "Ringing"),
                            ("answered", "Answered"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                        ],
                        default="initiated",
                        max_length=10,
                    ),
                ),
                (
                    "hangup_cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("normal_clearing", "Normal Clearing"),
                            ("busy", "Busy"),
                            ("no_answer", "No Answer"),
                            ("rejected", "Rejected"),
                            ("invalid_number", "Invalid Number"),
                            ("insufficient_balance", "Insufficient Balance"),
                            ("max_duration", "Max Duration"),
                            ("silence_timeout", "Silence Timeout"),
                            ("voicemail", "Voicemail"),
                            ("transferred", "Transferred"),
                            ("webhook_failed", "Webhook Failed"),
                            ("model_failed", "Model Failed"),
                            ("carrier_failed", "Carrier Failed"),
                            ("canceled", "Canceled"),
                            ("account_deactivated", "Account Deactivated"),
                        ],
                        default="",
                        max_length=24,
                    ),
                ),
                ("voicemail_detected", models.BooleanField(default=False)),
                ("voicemail_message_left", models.BooleanField(default=False)),
                ("recording_enabled", models.BooleanField(default=False)),
                ("analysis_result", bubblyphone.core.ordered_json.OrderedJSONField(null=True)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("answered_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("end_requested_at", models.DateTimeField(null=True)),
                (
                    "end_requested_cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("normal_clearing", "Normal Clearing"),
                            ("busy", "Busy"),
                            ("no_answer", "No Answer"),
                            ("rejected", "Rejected"),
                            ("invalid_number", "Invalid Number"),
                            ("insufficient_balance", "Insufficient Balance"),
                            ("max_duration", "Max Duration"),
                            ("silence_timeout", "Silence Timeout"),
                            ("voicemail", "Voicemail"),
                            ("transferred", "Transferred"),
                            ("webhook_failed", "Webhook Failed"),
                            ("model_failed", "Model Failed"),
                            ("carrier_failed", "Carrier Failed"),
                            ("canceled", "Canceled"),
                            ("account_deactivated", "Account Deactivated"),
                        ],
                        default="",
                        max_length=24,
                    ),
                ),
                ("hangup_reported_at", models.DateTimeField(null=True)),
                (
                    "hangup_reported_cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("normal_clearing", "Normal Clearing"),
                            ("busy", "Busy"),
                            ("no_answer", "No Answer"),
                            ("rejected", "Rejected"),
                            ("invalid_number", "Invalid Number"),
                            ("insufficient_balance", "Insufficient Balance"),
                            ("max_duration", "Max Duration"),
                            ("silence_timeout", "Silence Timeout"),
                            ("voicemail", "Voicemail"),
                            ("transferred", "Transferred"),
                            ("webhook_failed", "Webhook Failed"),
                            ("model_failed", "Model Failed"),
                            ("carrier_failed", "Carrier Failed"),
                            ("canceled", "Canceled"),
                            ("account_deactivated", "Account Deactivated"),
                        ],
                        default="",
                        max_length=24,
                    ),
                ),
                ("session_seen_at", models.DateTimeField(null=True)),
                ("model_spoke_at", models.DateTimeField(null=True)),
                ("duration_seconds", models.PositiveIntegerField(null=True)),
                ("telephony_rate", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("model_rate", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("telephony_cost", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("model_cost", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("transcription_cost", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("analysis_cost", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("settled_at", models.DateTimeField(null=True)),
                ("transferred_at", models.DateTimeField(null=True)),
                ("transfer_rate", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("answer_requested_at", models.DateTimeField(null=True)),
                ("listening_since", models.DateTimeField(null=True)),
                ("speech_transcribed", models.BooleanField(default=False)),
                ("transcript_announced", models.BooleanField(default=False)),
                ("carrier_call_id", models.CharField(max_length=200, null=True, unique=True)),
                ("last_command_at", models.DateTimeField(null=True)),
                ("media_token_hash", models.CharField(blank=True, default="", max_length=64)),
                ("media_token_expires_at", models.DateTimeField(null=True)),
                ("stream_lost_at", models.DateTimeField(null=True)),
                ("stream_lost_reason", models.CharField(blank=True, default="", max_length=20)),
                ("stream_restarts", models.PositiveSmallIntegerField(default=0)),
                ("stream_restarted_at", models.DateTimeField(null=True)),
                (
                    "agent",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="calls", to="agents.agent"
                    ),
                ),
                (
                    "api_key",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="accounts.apikey"
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="calls", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "phone_number",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="numbers.phonenumber",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Analysis",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("ready", "Ready"), ("failed", "Failed")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("attempt_count", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("finished_at", models.DateTimeField(null=True)),
                ("source", models.CharField(blank=True, default="", max_length=100)),
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="analysis", to="calls.call"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "analyses",
            },
        ),
        migrations.CreateModel(
            name="CallEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_type", models.CharField(max_length=40)),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("system", "System"),
                            ("telephony", "Telephony"),
                            ("streaming", "Streaming"),
                            ("webhook", "Webhook"),
                            ("api", "Api"),
                        ],
                        max_length=10,
                    ),
                ),
                ("event_timestamp", models.DateTimeField(default=django.utils.timezone.now)),
                ("metadata", bubblyphone.core.ordered_json.OrderedJSONField(default=dict)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="calls.call"
                    ),
                ),
            ],
            options={
                "ordering": ["event_timestamp", "id"],
            },
        ),
        migrations.CreateModel(
            name="CallTurn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("answered_at", models.DateTimeField()),
                ("carrier_in_ms", models.PositiveIntegerField()),
                ("detection_ms", models.PositiveIntegerField(null=True)),
                ("model_ms", models.PositiveIntegerField()),
                ("tool_ms", models.PositiveIntegerField()),
                ("own_ms", models.PositiveIntegerField()),
                ("playout_ms", models.PositiveIntegerField(null=True)),
                ("total_ms", models.PositiveIntegerField()),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="turns", to="calls.call"
                    ),
                ),
            ],
            options={
                "ordering": ["answered_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="CarrierEventRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.CharField(max_length=100, unique=True)),
                ("event_type", models.CharField(max_length=60)),
                ("carrier_call_id", models.CharField(blank=True, default="", max_length=200)),
                ("direction", models.CharField(blank=True, default="", max_length=10)),
                ("cause", models.CharField(blank=True, default="", max_length=24)),
                ("detail", models.CharField(blank=True, default="", max_length=200)),
                ("occurred_at", models.DateTimeField()),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "indexes": [models.Index(fields=["carrier_call_id"], name="carrier_event_by_call")],
            },
        ),
        migrations.CreateModel(
            name="Recording",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("ready", "Ready"), ("failed", "Failed")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("attempt_count", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("finished_at", models.DateTimeField(null=True)),
                ("maker", models.CharField(choices=[("platform", "Platform"), ("carrier", "Carrier")], max_length=10)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("made_at", models.DateTimeField(null=True)),
                ("carrier_told_at", models.DateTimeField(null=True)),
                ("carrier_url", models.TextField(blank=True, default="")),
                ("transferred_at", models.DateTimeField(null=True)),
                ("part_made_at", models.DateTimeField(null=True)),
                ("part_began_at", models.DateTimeField(null=True)),
                ("missing", models.CharField(blank=True, default="", max_length=300)),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("duration_ms", models.PositiveIntegerField(null=True)),
                ("size_bytes", models.PositiveBigIntegerField(null=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="recording", to="calls.call"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecordingPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("retention_days", models.PositiveSmallIntegerField(null=True)),
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recording_policy",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "recording policies",
            },
        ),
        migrations.CreateModel(
            name="SpeechTime",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(choices=[("user", "User"), ("model", "Model")], max_length=5)),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="speech", to="calls.call"
                    ),
                ),
            ],
            options={
                "ordering": ["began_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="TranscriptEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(choices=[("user", "User"), ("model", "Model")], max_length=5)),
                ("text", models.TextField()),
                ("spoken_at", models.DateTimeField()),
                ("item_id", models.CharField(blank=True, default="", max_length=100)),
                ("interrupted", models.BooleanField(default=False)),
                ("interrupted_at_ms", models.PositiveIntegerField(null=True)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transcript", to="calls.call"
                    ),
                ),
            ],
            options={
                "ordering": ["spoken_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="Transcription",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("ready", "Ready"), ("failed", "Failed")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("attempt_count", models.PositiveSmallIntegerField(default=0)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                ("finished_at", models.DateTimeField(null=True)),
                ("source", models.CharField(blank=True, default="", max_length=100)),
                ("segments", models.JSONField(default=list)),
                ("positions_ms", models.JSONField(default=list)),
                ("cost", models.DecimalField(decimal_places=6, default=0, max_digits=18)),
                (
                    "call",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transcription", to="calls.call"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=60, unique=True)),
                ("to_number", models.CharField(max_length=20)),
                ("rate", models.DecimalField(decimal_places=6, max_digits=18)),
                ("briefing", models.TextField(blank=True, default="")),
                ("requested_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent_at", models.DateTimeField(null=True)),
                ("carrier_call_id", models.CharField(blank=True, default="", max_length=200)),
                ("answered_at", models.DateTimeField(null=True)),
                ("failed_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=200)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="transfers", to="calls.call"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Utterance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=60, unique=True)),
                ("text", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent_at", models.DateTimeField(null=True)),
                ("pieces_to_come", models.PositiveSmallIntegerField(default=0)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "call",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="utterances", to="calls.call"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "-id"], name="call_by_developer"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["phone_number", "-id"], name="call_by_number"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "status", "-id"], name="call_by_status"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "hangup_cause", "-id"], name="call_by_outcome"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "direction", "-id"], name="call_by_direction"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "started_at"], name="call_by_start"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("status__in", ["completed", "failed"]), _negated=True),
                fields=["developer"],
                name="call_running",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False), ("transcript_announced", False)),
                fields=["ended_at"],
                name="call_unannounced",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                fields=["developer", "settled_at"],
                include=(
                    "demo",
                    "status",
                    "direction",
                    "hangup_cause",
                    "voicemail_detected",
                    "duration_seconds",
                    "telephony_cost",
                    "model_cost",
                    "transcription_cost",
                    "analysis_cost",
                ),
                name="call_by_settlement",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "from_number", "started_at"], name="call_by_caller"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["settled_at"], name="call_settled"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("media_token_hash", ""), _negated=True),
                fields=["media_token_hash"],
                name="call_media_token",
            ),
        ),
        migrations.AddConstraint(
            model_name="call",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["completed", "failed"]), _negated=True),
                    ("ended_at__isnull", False),
                    _connector="OR",
                ),
                name="terminal_call_has_end",
            ),
        ),
        migrations.AddIndex(
            model_name="analysis",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["next_attempt_at"], name="analysis_due"
            ),
        ),
        migrations.AddIndex(
            model_name="callevent",
            index=models.Index(fields=["call", "event_timestamp"], name="event_by_call"),
        ),
        migrations.AddIndex(
            model_name="callturn",
            index=models.Index(fields=["call", "answered_at"], name="turn_by_call"),
        ),
        migrations.AddIndex(
            model_name="recording",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["next_attempt_at"], name="recording_due"
            ),
        ),
        migrations.AddIndex(
            model_name="recording",
            index=models.Index(
                condition=models.Q(("name", ""), _negated=True), fields=["finished_at"], name="recording_by_age"
            ),
        ),
        migrations.AddIndex(
            model_name="speechtime",
            index=models.Index(fields=["call", "began_at"], name="speech_by_call"),
        ),
        migrations.AddIndex(
            model_name="transcriptentry",
            index=models.Index(fields=["call", "spoken_at"], name="transcript_by_call"),
        ),
        migrations.AddIndex(
            model_name="transcription",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["next_attempt_at"], name="transcription_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("answered_at", None), ("failed_at", None)),
                fields=("call",),
                name="one_transfer_at_a_time",
            ),
        ),
        migrations.AddIndex(
            model_name="utterance",
            index=models.Index(condition=models.Q(("ended_at", None)), fields=["call"], name="utterance_open"),
        ),
        # The overview groups an account's calls by this. Without it PostgreSQL expects a group for each call, and sorts them all on disk.
        migrations.RunSQL(
            "CREATE STATISTICS call_settled_day ON ((settled_at AT TIME ZONE 'UTC')::date) FROM calls_call",
            "DROP STATISTICS call_settled_day",
        ),
        # A call's configuration is stored beside the table and read with that call alone: in the rows it would be most of what a
        # month's sums have to read.
        migrations.RunSQL(
            "ALTER TABLE calls_call SET (toast_tuple_target = 512)", "ALTER TABLE calls_call RESET (toast_tuple_target)"
        ),
    ]
