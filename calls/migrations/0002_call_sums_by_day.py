from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built while a job writes to the table

    dependencies = [("calls", "0001_initial")]

    operations = [
        AddIndexConcurrently("callsums", models.Index(fields=["day"], name="call_sums_by_day")),
    ]
