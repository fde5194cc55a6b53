from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_payments")]

    operations = [
        migrations.AddIndex(
            "ledgerentry",
            models.Index(
                fields=["developer", "created_at"], condition=models.Q(("amount__gt", 0)), name="ledger_credits"
            ),
        ),
    ]
