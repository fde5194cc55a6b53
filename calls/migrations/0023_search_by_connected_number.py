from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("calls", "0022_day_sums")]

    operations = [
        AddIndexConcurrently(
            model_name="call",
            index=GinIndex(
                fields=["connect_to"],
                opclasses=["gin_trgm_ops"],
                condition=~models.Q(connect_to=""),
                name="call_connected_numbers",
            ),
        ),
    ]
