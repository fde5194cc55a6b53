from decimal import Decimal

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations, models

import bubblyphone.core.json.ordered_field
import phone_numbers.carriers.registry

# A call is settled again when its answer is reported late, and then counts on another day: both days are noted. Each change notes them in
# rows of its own: a row that is already there says nothing of a change that is not committed yet, and the job that sums up a day deletes
# the rows it has found.
NOTE_STALE_DAYS = """
CREATE FUNCTION calls_note_stale_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls_staleday (developer_id, day)
    SELECT DISTINCT NEW.developer_id, (moment AT TIME ZONE 'UTC')::date
    FROM unnest(ARRAY[OLD.settled_at, NEW.settled_at]) AS moment
    WHERE (moment AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date;
    -- The account's cached totals are not used again (bubblyphone.core.redis.period_cache).
    UPDATE accounts_developer SET sums_version = sums_version + 1 WHERE id = NEW.developer_id;
    RETURN NULL;
END $$;
CREATE TRIGGER old_calls_are_noted AFTER INSERT ON calls_call FOR EACH ROW
    WHEN ((NEW.settled_at AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date)
    EXECUTE FUNCTION calls_note_stale_days();
CREATE TRIGGER late_changes_are_noted AFTER UPDATE ON calls_call FOR EACH ROW
    WHEN ((LEAST(OLD.settled_at, NEW.settled_at) AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date
          AND (OLD.settled_at, OLD.demo, OLD.status, OLD.hangup_cause, OLD.voicemail_detected, OLD.duration_seconds,
               OLD.telephony_cost, OLD.model_cost, OLD.transcription_cost, OLD.analysis_cost, OLD.outcome)
              IS DISTINCT FROM
              (NEW.settled_at, NEW.demo, NEW.status, NEW.hangup_cause, NEW.voicemail_detected, NEW.duration_seconds,
               NEW.telephony_cost, NEW.model_cost, NEW.transcription_cost, NEW.analysis_cost, NEW.outcome))
    EXECUTE FUNCTION calls_note_stale_days();
"""
NOTE_NO_MORE = """
DROP TRIGGER late_changes_are_noted ON calls_call;
DROP TRIGGER old_calls_are_noted ON calls_call;
DROP FUNCTION calls_note_stale_days();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("agents", "0001_initial"),
        ("numbers", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        TrigramExtension(),
        migrations.CreateModel(
            name="MediaNode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=63, unique=True)),
                ("url", models.CharField(max_length=200)),
                ("seen_at", models.DateTimeField()),
                ("accepts_calls", models.BooleanField(default=True)),
                ("calls", models.PositiveIntegerField(default=0)),
                ("late_frames", models.PositiveBigIntegerField(default=0)),
                ("lost_frames", models.PositiveBigIntegerField(default=0)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="SummedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.CreateModel(
            name="Call",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
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
                ("media_token_hash", models.CharField(blank=True, default="", max_length=64)),
                ("media_token_expires_at", models.DateTimeField(null=True)),
                ("stream_lost_at", models.DateTimeField(null=True)),
                ("stream_lost_reason", models.CharField(blank=True, default="", max_length=20)),
                ("stream_restarts", models.PositiveSmallIntegerField(default=0)),
                ("stream_restarted_at", models.DateTimeField(null=True)),
                ("media_node", models.CharField(blank=True, db_default="", default="", max_length=63)),
                ("session_seen_at", models.DateTimeField(null=True)),
                ("model_spoke_at", models.DateTimeField(null=True)),
                ("answer_requested_at", models.DateTimeField(null=True)),
                ("listening_since", models.DateTimeField(null=True)),
                ("speech_transcribed", models.BooleanField(default=False)),
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
                ("agent_version", models.PositiveIntegerField(null=True)),
                (
                    "direction",
                    models.CharField(choices=[("inbound", "Inbound"), ("outbound", "Outbound")], max_length=10),
                ),
                ("from_number", models.CharField(blank=True, default="", max_length=40)),
                ("to_number", models.CharField(blank=True, default="", max_length=40)),
                ("mode", models.CharField(choices=[("webhook", "Webhook"), ("streaming", "Streaming")], max_length=10)),
                ("model_slug", models.CharField(blank=True, default="", max_length=80)),
                ("config", bubblyphone.core.json.ordered_field.OrderedJSONField(default=dict)),
                ("dynamic_variables", bubblyphone.core.json.ordered_field.OrderedJSONField(default=dict)),
                ("metadata", models.JSONField(default=dict)),
                ("sandbox", models.BooleanField(default=False)),
                ("demo", models.BooleanField(default=False)),
                ("is_text", models.BooleanField(db_default=False, default=False)),
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
                ("voicemail_detected", models.BooleanField(default=False)),
                ("voicemail_message_left", models.BooleanField(default=False)),
                (
                    "screened",
                    models.CharField(
                        blank=True,
                        choices=[("accepted", "Accepted"), ("declined", "Declined")],
                        db_default="",
                        default="",
                        max_length=8,
                    ),
                ),
                ("recording_enabled", models.BooleanField(default=False)),
                ("analysis_result", bubblyphone.core.json.ordered_field.OrderedJSONField(null=True)),
                ("transcript_announced", models.BooleanField(default=False)),
                ("transcript_deleted_at", models.DateTimeField(null=True)),
                ("events_deleted_at", models.DateTimeField(null=True)),
                ("refusal_reason", models.CharField(blank=True, db_default="", default="", max_length=40)),
                ("reported_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("answered_at", models.DateTimeField(null=True)),
                ("connect_to", models.CharField(blank=True, db_default="", default="", max_length=20)),
                ("lookup_pending", models.BooleanField(default=False)),
                (
                    "carrier",
                    models.CharField(
                        blank=True, default=phone_numbers.carriers.registry.default_carrier, max_length=20
                    ),
                ),
                ("carrier_call_id", models.CharField(max_length=200, null=True)),
                ("last_command_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Case(
                            models.When(
                                models.Q(
                                    models.Q(("direction", "outbound"), _negated=True),
                                    ("sandbox", True),
                                    ("ended_at", None),
                                    models.Q(("refusal_reason", ""), _negated=True),
                                    _connector="OR",
                                ),
                                then=models.Value(""),
                            ),
                            models.When(screened="accepted", then=models.Value("screened_accepted")),
                            models.When(screened="declined", then=models.Value("screened_declined")),
                            models.When(
                                models.Q(("voicemail_detected", True), ("voicemail_message_left", True)),
                                then=models.Value("voicemail_message_left"),
                            ),
                            models.When(then=models.Value("voicemail_no_message"), voicemail_detected=True),
                            models.When(answered_at__isnull=False, then=models.Value("person")),
                            models.When(
                                hangup_cause__in=("busy", "no_answer", "rejected", "invalid_number", "canceled"),
                                then=models.F("hangup_cause"),
                            ),
                            default=models.Value(""),
                            output_field=models.CharField(max_length=24),
                        ),
                        output_field=models.CharField(
                            choices=[
                                ("person", "Person"),
                                ("voicemail_message_left", "Voicemail Message Left"),
                                ("voicemail_no_message", "Voicemail No Message"),
                                ("screened_accepted", "Screened Accepted"),
                                ("screened_declined", "Screened Declined"),
                                ("busy", "Busy"),
                                ("no_answer", "No Answer"),
                                ("rejected", "Rejected"),
                                ("invalid_number", "Invalid Number"),
                                ("canceled", "Canceled"),
                            ],
                            max_length=24,
                        ),
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="calls",
                        to="agents.agent",
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
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phone_number",
                    models.ForeignKey(
                        db_index=False,
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
                ("metadata", bubblyphone.core.json.ordered_field.OrderedJSONField(default=dict)),
                (
                    "call",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "ordering": ["event_timestamp", "id"],
            },
        ),
        migrations.CreateModel(
            name="CallSums",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("number", models.BigIntegerField(null=True)),
                ("agent", models.BigIntegerField(null=True)),
                ("calls", models.PositiveIntegerField()),
                ("answered", models.PositiveIntegerField()),
                ("voicemail", models.PositiveIntegerField()),
                ("unanswered", models.PositiveIntegerField()),
                ("failed", models.PositiveIntegerField()),
                ("minutes", models.PositiveIntegerField()),
                ("cost", models.DecimalField(decimal_places=6, max_digits=18)),
                ("answers", models.JSONField(default=dict)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
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
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="turns",
                        to="calls.call",
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
                ("carrier", models.CharField(default=phone_numbers.carriers.registry.default_carrier, max_length=20)),
                ("event_id", models.CharField(max_length=100)),
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
                "constraints": [models.UniqueConstraint(fields=("carrier", "event_id"), name="carrier_event_once")],
            },
        ),
        migrations.CreateModel(
            name="DialingPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("allowed_countries", models.JSONField(null=True)),
                ("calling_hours", models.JSONField(null=True)),
                ("max_calls_per_number_per_day", models.PositiveIntegerField(null=True)),
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="dialing_policy",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "dialing policies",
            },
        ),
        migrations.CreateModel(
            name="DoNotCallNumber",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("phone_number", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, default="", max_length=300)),
                (
                    "source",
                    models.CharField(choices=[("api", "Api"), ("page", "Page"), ("agent", "Agent")], max_length=10),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="do_not_call_numbers",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
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
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(max_length=2000)),
                ("is_default", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="ScheduledCall",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("has_own_agent", models.BooleanField()),
                ("to_number", models.CharField(max_length=20)),
                ("dynamic_variables", bubblyphone.core.json.ordered_field.OrderedJSONField(default=dict)),
                ("due_at", models.DateTimeField()),
                ("time_zone", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("dialed", "Dialed"),
                            ("not_dialed", "Not Dialed"),
                            ("canceled", "Canceled"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=40)),
                ("detail", models.CharField(blank=True, default="", max_length=400)),
                (
                    "agent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="scheduled_calls",
                        to="agents.agent",
                    ),
                ),
                (
                    "call",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="scheduled",
                        to="calls.call",
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scheduled_calls",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "phone_number",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="scheduled_calls",
                        to="numbers.phonenumber",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SpeechTime",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(choices=[("user", "User"), ("model", "Model"), ("human", "Human")], max_length=5),
                ),
                ("began_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField()),
                (
                    "call",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="speech",
                        to="calls.call",
                    ),
                ),
            ],
            options={
                "ordering": ["began_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="StaleDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "developer",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TranscriptEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "role",
                    models.CharField(choices=[("user", "User"), ("model", "Model"), ("human", "Human")], max_length=5),
                ),
                ("text", models.TextField()),
                ("spoken_at", models.DateTimeField()),
                ("item_id", models.CharField(blank=True, default="", max_length=100)),
                ("interrupted", models.BooleanField(default=False)),
                ("commentary", models.BooleanField(db_default=False, default=False)),
                ("interrupted_at_ms", models.PositiveIntegerField(null=True)),
                (
                    "call",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="transcript",
                        to="calls.call",
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
            index=models.Index(fields=["agent", "-id"], include=("developer",), name="call_by_agent"),
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
            index=models.Index(
                condition=models.Q(("outcome", ""), _negated=True),
                fields=["developer", "outcome", "-id"],
                name="call_by_whom_reached",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "direction", "-id"], name="call_by_direction"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("refusal_reason", ""), _negated=True),
                fields=["developer", "-id"],
                name="call_not_dialed",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("sandbox", True)), fields=["developer", "-id"], name="call_in_sandbox"
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("voicemail_detected", True)),
                fields=["developer", "-id"],
                name="call_with_voicemail",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "started_at"], name="call_by_start"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["metadata"], name="call_by_metadata", opclasses=["jsonb_path_ops"]
            ),
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
                condition=models.Q(("ended_at__isnull", False), ("reported_at", None)),
                fields=["ended_at"],
                name="call_unreported",
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
                    "outcome",
                    "phone_number",
                    "agent",
                ),
                name="call_sums",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(fields=["developer", "from_number", "started_at"], name="call_by_caller"),
        ),
        migrations.AddIndex(
            model_name="call",
            index=models.Index(
                condition=models.Q(("direction", "outbound"), ("sandbox", False)),
                fields=["developer", "to_number", "started_at"],
                name="call_by_callee",
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["from_number", "to_number"], name="call_numbers", opclasses=["gin_trgm_ops", "gin_trgm_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="call",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("connect_to", ""), _negated=True),
                fields=["connect_to"],
                name="call_connected_numbers",
                opclasses=["gin_trgm_ops"],
            ),
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
        migrations.AddConstraint(
            model_name="call",
            constraint=models.UniqueConstraint(fields=("carrier_call_id", "carrier"), name="call_once_per_carrier"),
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
        migrations.AddConstraint(
            model_name="callsums",
            constraint=models.UniqueConstraint(
                fields=("developer", "day", "number", "agent"), name="call_sums_once", nulls_distinct=False
            ),
        ),
        migrations.AddIndex(
            model_name="callturn",
            index=models.Index(fields=["call", "answered_at"], name="turn_by_call"),
        ),
        migrations.AddConstraint(
            model_name="donotcallnumber",
            constraint=models.UniqueConstraint(fields=("developer", "phone_number"), name="do_not_call_once"),
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
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(fields=("developer", "name"), name="saved_view_name"),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_default", True)), fields=("developer",), name="one_default_view"
            ),
        ),
        migrations.AddIndex(
            model_name="scheduledcall",
            index=models.Index(condition=models.Q(("status", "waiting")), fields=["due_at"], name="scheduled_call_due"),
        ),
        migrations.AddIndex(
            model_name="scheduledcall",
            index=models.Index(fields=["developer", "-due_at", "-id"], name="scheduled_call_by_developer"),
        ),
        migrations.AddIndex(
            model_name="speechtime",
            index=models.Index(fields=["call", "began_at"], name="speech_by_call"),
        ),
        migrations.AddIndex(
            model_name="staleday",
            index=models.Index(fields=["developer", "day"], name="stale_days_of_account"),
        ),
        migrations.AddIndex(
            model_name="transcriptentry",
            index=models.Index(fields=["call", "spoken_at"], name="transcript_by_call"),
        ),
        migrations.AddIndex(
            model_name="transcriptentry",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("text", config="simple"), name="transcript_words"
            ),
        ),
        migrations.AddIndex(
            model_name="transcription",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["next_attempt_at"], name="transcription_due"
            ),
        ),
        migrations.AddIndex(
            model_name="transfer",
            index=models.Index(fields=["to_number"], name="transfer_by_number"),
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
        migrations.RunSQL(NOTE_STALE_DAYS, NOTE_NO_MORE),
    ]
