import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A call is settled again when its answer is reported late, and then counts on another day: both days are noted.
NOTE_STALE_DAYS = """
CREATE FUNCTION calls_note_stale_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls_staleday (developer_id, day)
    SELECT DISTINCT NEW.developer_id, (moment AT TIME ZONE 'UTC')::date
    FROM unnest(ARRAY[OLD.settled_at, NEW.settled_at]) AS moment
    WHERE (moment AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER old_calls_are_noted AFTER INSERT ON calls_call FOR EACH ROW
    WHEN ((NEW.settled_at AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date)
    EXECUTE FUNCTION calls_note_stale_days();
CREATE TRIGGER late_changes_are_noted AFTER UPDATE ON calls_call FOR EACH ROW
    WHEN ((LEAST(OLD.settled_at, NEW.settled_at) AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date
          AND (OLD.settled_at, OLD.demo, OLD.status, OLD.hangup_cause, OLD.voicemail_detected, OLD.duration_seconds,
               OLD.telephony_cost, OLD.model_cost, OLD.transcription_cost, OLD.analysis_cost)
              IS DISTINCT FROM
              (NEW.settled_at, NEW.demo, NEW.status, NEW.hangup_cause, NEW.voicemail_detected, NEW.duration_seconds,
               NEW.telephony_cost, NEW.model_cost, NEW.transcription_cost, NEW.analysis_cost))
    EXECUTE FUNCTION calls_note_stale_days();
"""
NOTE_NO_MORE = """
DROP TRIGGER late_changes_are_noted ON calls_call;
DROP TRIGGER old_calls_are_noted ON calls_call;
DROP FUNCTION calls_note_stale_days();
"""


class Migration(migrations.Migration):
    safe_beside_old_code = "The triggers only note days, in a table that old code does not know."

    dependencies = [
        ("calls", "0021_search_by_number"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SummedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
            ],
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
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("developer", "day", "number", "agent"), name="call_sums_once", nulls_distinct=False
                    )
                ],
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
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("developer", "day"), name="stale_day_once")],
            },
        ),
        migrations.RunSQL(NOTE_STALE_DAYS, NOTE_NO_MORE),
    ]
