from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # a table of many rows is not locked while the index is made

    dependencies = [("billing", "0003_ledger_check")]

    operations = [
        AddIndexConcurrently(
            model_name="ledgerentry",
            index=models.Index(
                fields=["developer", "kind", "-id"],
                condition=~models.Q(kind__in=["telephony", "model"]),
                name="ledger_rare_kinds",
            ),
        ),
    ]
