"""Each late change of a call notes its day in a row of its own, and makes cached totals of the account invalid."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A row that is there says nothing of a change that is not committed yet: the job would delete it, and read the call as it was before.
NOTE = """
CREATE OR REPLACE FUNCTION calls_note_stale_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO calls_staleday (developer_id, day)
    SELECT DISTINCT NEW.developer_id, (moment AT TIME ZONE 'UTC')::date
    FROM unnest(ARRAY[OLD.settled_at, NEW.settled_at]) AS moment
    WHERE (moment AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date
    %s;
    RETURN NULL;
END $$;
DROP TRIGGER late_changes_are_noted ON calls_call;
CREATE TRIGGER late_changes_are_noted AFTER UPDATE ON calls_call FOR EACH ROW
    WHEN ((LEAST(OLD.settled_at, NEW.settled_at) AT TIME ZONE 'UTC')::date < (clock_timestamp() AT TIME ZONE 'UTC')::date
          AND (OLD.settled_at, OLD.demo, OLD.status, OLD.hangup_cause, OLD.voicemail_detected, OLD.duration_seconds,
               OLD.telephony_cost, OLD.model_cost, OLD.transcription_cost, OLD.analysis_cost, OLD.outcome)
              IS DISTINCT FROM
              (NEW.settled_at, NEW.demo, NEW.status, NEW.hangup_cause, NEW.voicemail_detected, NEW.duration_seconds,
               NEW.telephony_cost, NEW.model_cost, NEW.transcription_cost, NEW.analysis_cost, NEW.outcome))
    EXECUTE FUNCTION calls_note_stale_days();
"""
FORWARDS = (
    NOTE
    % """;
    -- The account's cached totals are not used again (bubblyphone.core.period_cache).
    UPDATE accounts_developer SET sums_version = sums_version + 1 WHERE id = NEW.developer_id"""
)
BACKWARDS = (
    """
DELETE FROM calls_staleday AS one USING calls_staleday AS other
WHERE one.developer_id = other.developer_id AND one.day = other.day AND one.id > other.id;
"""
    + NOTE % "ON CONFLICT DO NOTHING"
)


class Migration(migrations.Migration):
    safe_beside_old_code = "Old code deletes all rows of a day that it sums up, as new code does."

    dependencies = [("calls", "0024_indexes_of_filters")]

    operations = [
        migrations.RemoveConstraint(model_name="staleday", name="stale_day_once"),
        migrations.AlterField(
            model_name="staleday",
            name="developer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="staleday", index=models.Index(fields=["developer", "day"], name="stale_days_of_account")
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
