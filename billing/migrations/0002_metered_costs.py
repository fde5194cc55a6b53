import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

COLUMNS = "key, developer_id, kind, amount, description, created_at"
# What calls and numbers cost, whether it was charged or metered.
COSTS = f"""
CREATE VIEW billing_cost AS
SELECT {COLUMNS} FROM billing_ledgerentry
WHERE kind IN ('telephony', 'model', 'transcription', 'analysis', 'number_setup', 'number_month')
UNION ALL SELECT {COLUMNS} FROM billing_meteredcost
"""  # noqa: S608


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Cost",
            fields=[
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("top_up", "Top-up"),
                            ("test_credit", "Test credit"),
                            ("telephony", "Telephony"),
                            ("model", "AI model"),
                            ("transcription", "Transcription"),
                            ("analysis", "Analysis"),
                            ("number_setup", "Number setup fee"),
                            ("number_month", "Monthly number fee"),
                            ("refund", "Refund"),
                            ("dispute", "Dispute"),
                            ("adjustment", "Adjustment"),
                        ],
                        max_length=20,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18)),
                ("description", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("key", models.CharField(max_length=100, primary_key=True, serialize=False)),
            ],
            options={
                "db_table": "billing_cost",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="MeteredCost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=100, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("top_up", "Top-up"),
                            ("test_credit", "Test credit"),
                            ("telephony", "Telephony"),
                            ("model", "AI model"),
                            ("transcription", "Transcription"),
                            ("analysis", "Analysis"),
                            ("number_setup", "Number setup fee"),
                            ("number_month", "Monthly number fee"),
                            ("refund", "Refund"),
                            ("dispute", "Dispute"),
                            ("adjustment", "Adjustment"),
                        ],
                        max_length=20,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18)),
                ("description", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["developer", "created_at"], include=("kind", "amount"), name="metered_cost_sums"
                    )
                ],
            },
        ),
        migrations.RunSQL(COSTS, "DROP VIEW billing_cost"),
    ]
