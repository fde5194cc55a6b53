import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index of a large table is built while calls write to it

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("billing", "0001_initial"),
    ]

    operations = [
        AddIndexConcurrently(
            "ledgerentry",
            models.Index(condition=models.Q(amount__gte=0), fields=["developer", "-id"], name="ledger_credit_list"),
        ),
        # Other indexes begin with this column.
        migrations.AlterField(
            "ledgerentry",
            "developer",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="ledger",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
