"""Whom an outbound call has reached: PostgreSQL works it out for all calls, old and new."""

from django.db import migrations, models


class Migration(migrations.Migration):
    safe_beside_old_code = "PostgreSQL fills in the generated column, whoever writes the row."

    dependencies = [
        ("calls", "0012_carrier_call_ids"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="call",
            name="call_by_settlement",
        ),
        migrations.AddField(
            model_name="call",
            name="screened",
            field=models.CharField(
                blank=True,
                choices=[("accepted", "Accepted"), ("declined", "Declined")],
                db_default="",
                default="",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="call",
            name="outcome",
            field=models.GeneratedField(
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
                ),
                name="call_by_settlement",
            ),
        ),
    ]
