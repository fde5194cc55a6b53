from django.db import migrations, models

COPY = """
INSERT INTO accounts_retentionperiod (developer_id, kind, days)
SELECT developer_id, 'recordings', retention_days FROM calls_recordingpolicy WHERE retention_days IS NOT NULL
"""
COPY_BACK = """
INSERT INTO calls_recordingpolicy (developer_id, retention_days)
SELECT developer_id, days FROM accounts_retentionperiod WHERE kind = 'recordings'
"""


class Migration(migrations.Migration):
    safe_beside_old_code = "No release has had the table that is removed."
    dependencies = [("accounts", "0002_retention"), ("calls", "0006_media_nodes")]

    operations = [
        migrations.AddField(
            model_name="call",
            name="events_deleted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="call",
            name="transcript_deleted_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(COPY, COPY_BACK),
        migrations.DeleteModel(name="RecordingPolicy"),
    ]
