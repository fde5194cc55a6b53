from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """The index of sums also has the number and the agent. The old one goes when the new one is there."""

    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("calls", "0016_scheduled_calls")]

    operations = [
        AddIndexConcurrently(
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
        RemoveIndexConcurrently(model_name="call", name="call_by_settlement"),
    ]
