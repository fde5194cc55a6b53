import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_ledger_credits"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.CreateModel(
            name="BalanceCheckpoint",
            fields=[
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("entry_id", models.BigIntegerField()),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18)),
            ],
        ),
    ]
