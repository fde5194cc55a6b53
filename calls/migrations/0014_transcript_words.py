from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.contrib.postgres.search import SearchVector
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("calls", "0013_call_outcome")]

    operations = [
        AddIndexConcurrently(
            model_name="transcriptentry",
            index=GinIndex(SearchVector("text", config="simple"), name="transcript_words"),
        ),
    ]
