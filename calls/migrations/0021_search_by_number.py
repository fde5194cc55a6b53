from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, TrigramExtension
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("calls", "0020_people_in_transcripts")]

    operations = [
        TrigramExtension(),
        AddIndexConcurrently(
            model_name="call",
            index=GinIndex(
                fields=["from_number", "to_number"],
                opclasses=["gin_trgm_ops", "gin_trgm_ops"],
                name="call_numbers",
            ),
        ),
    ]
