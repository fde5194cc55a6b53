from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("calls", "0014_transcript_words")]

    operations = [
        AddIndexConcurrently(
            model_name="call",
            index=models.Index(
                fields=["developer", "to_number", "started_at"],
                condition=models.Q(direction="outbound", sandbox=False),
                name="call_by_callee",
            ),
        ),
        AddIndexConcurrently(
            model_name="transfer",
            index=models.Index(fields=["to_number"], name="transfer_by_number"),
        ),
    ]
