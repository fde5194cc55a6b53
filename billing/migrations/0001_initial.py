import uuid
from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

from billing.migrations._first_rates import add_rates

# The database itself refuses to change or remove entries of the ledger.
APPEND_ONLY = """
CREATE FUNCTION billing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The ledger is append-only: correct an entry by another one.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_rows_stay BEFORE UPDATE OR DELETE ON billing_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION billing_refuse_change();
CREATE TRIGGER ledger_is_never_emptied BEFORE TRUNCATE ON billing_ledgerentry
    FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_change();
"""
NOT_APPEND_ONLY = """
DROP TRIGGER ledger_is_never_emptied ON billing_ledgerentry;
DROP TRIGGER ledger_rows_stay ON billing_ledgerentry;
DROP FUNCTION billing_refuse_change();
"""
COLUMNS = "key, developer_id, kind, amount, description, created_at"
# What calls and numbers cost, whether it was charged or metered.
COSTS = f"""
CREATE VIEW billing_cost AS
SELECT {COLUMNS} FROM billing_ledgerentry
WHERE kind IN ('telephony', 'model', 'transcription', 'analysis', 'number_setup', 'number_month')
UNION ALL SELECT {COLUMNS} FROM billing_meteredcost
"""  # noqa: S608


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
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
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("finished_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seconds", models.FloatField()),
                ("problem_count", models.PositiveIntegerField()),
                ("first_problems", models.TextField(blank=True, default="")),
            ],
            options={
                "get_latest_by": "finished_at",
                "indexes": [models.Index(fields=["-finished_at"], name="ledger_check_newest")],
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reference", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(choices=[("top_up", "Top Up"), ("auto_top_up", "Auto Top Up")], max_length=20),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("expired", "Expired"),
                        ],
                        default="pending",
                        max_length=20,
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18)),
                ("saves_card", models.BooleanField(default=False)),
                ("is_test", models.BooleanField(default=False)),
                ("stripe_session_id", models.CharField(max_length=255, null=True, unique=True)),
                ("stripe_intent_id", models.CharField(max_length=255, null=True, unique=True)),
                ("stripe_card_id", models.CharField(blank=True, default="", max_length=255)),
                ("card", models.CharField(blank=True, default="", max_length=60)),
                ("failure_code", models.CharField(blank=True, default="", max_length=60)),
                ("refund_total", models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=18)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18)),
                ("failed", models.BooleanField(default=False)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="billing.payment"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SpendingCap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "daily_cap",
                    models.DecimalField(
                        blank=True, decimal_places=6, help_text="In USD, per day (UTC).", max_digits=18, null=True
                    ),
                ),
                ("max_concurrent_calls", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "max_calls_per_caller_per_hour",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Inbound calls from one caller to all of the account's numbers.",
                        null=True,
                    ),
                ),
                ("daily_cap_ceiling", models.DecimalField(blank=True, decimal_places=6, max_digits=18, null=True)),
                ("concurrent_calls_ceiling", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="spending_cap",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StripeCustomer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stripe_customer",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TelephonyRate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("prefix", models.CharField(blank=True, max_length=15)),
                (
                    "direction",
                    models.CharField(choices=[("inbound", "Inbound"), ("outbound", "Outbound")], max_length=10),
                ),
                ("price_per_minute", models.DecimalField(decimal_places=6, max_digits=18)),
                ("description", models.CharField(blank=True, default="", max_length=100)),
                ("valid_from", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("direction", "prefix", "valid_from"), name="rate_once"),
                    models.CheckConstraint(condition=models.Q(("price_per_minute__gte", 0)), name="rate_not_negative"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Adjustment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=6, help_text="In USD. Positive adds credit, negative removes it.", max_digits=18
                    ),
                ),
                ("reason", models.CharField(help_text="Shown to the developer in their transactions.", max_length=180)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "reference",
                    models.UUIDField(
                        blank=True,
                        error_messages={"unique": "You already made this adjustment."},
                        null=True,
                        unique=True,
                    ),
                ),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "staff",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("amount", 0), _negated=True), name="adjustment_is_not_nothing"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AllowedPrefix",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "prefix",
                    models.CharField(
                        help_text="Digits with the country code, without +. Example: 1900.", max_length=15
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="allowed_prefixes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "allowed prefixes",
                "constraints": [models.UniqueConstraint(fields=("developer", "prefix"), name="allowed_prefix_once")],
            },
        ),
        migrations.CreateModel(
            name="AutoTopUp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("enabled", models.BooleanField(default=False)),
                ("threshold", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
                ("amount", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
                ("charges_below", models.DecimalField(decimal_places=6, max_digits=18, null=True)),
                ("failure_code", models.CharField(blank=True, default="", max_length=60)),
                ("failed_at", models.DateTimeField(null=True)),
                (
                    "developer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="auto_top_up",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("enabled", False),
                            models.Q(
                                ("amount__isnull", False),
                                ("charges_below__isnull", False),
                                ("threshold__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="automatic_top_up_says_how_much",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Card",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("brand", models.CharField(blank=True, default="", max_length=30)),
                ("last_four", models.CharField(blank=True, default="", max_length=4)),
                ("expires", models.CharField(blank=True, default="", max_length=7)),
                ("is_default", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="cards", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)), fields=("developer",), name="default_card_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LedgerEntry",
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
                        on_delete=django.db.models.deletion.PROTECT, related_name="ledger", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "ledger entries",
                "indexes": [
                    models.Index(fields=["developer", "-id"], include=("amount",), name="ledger_by_developer"),
                    models.Index(fields=["developer", "created_at"], include=("kind", "amount"), name="ledger_sums"),
                    models.Index(
                        condition=models.Q(("kind__in", ["telephony", "model"]), _negated=True),
                        fields=["developer", "kind", "-id"],
                        name="ledger_rare_kinds",
                    ),
                    models.Index(
                        condition=models.Q(("amount__gt", 0)), fields=["developer", "created_at"], name="ledger_credits"
                    ),
                ],
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
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=100, unique=True)),
                ("template", models.CharField(max_length=60)),
                ("context", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent_at", models.DateTimeField(null=True)),
                ("attempt_count", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                (
                    "developer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="notice_due",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("status", "pending")), fields=["created_at"], name="payment_pending"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["developer", "-id"], name="payment_by_developer"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(condition=models.Q(("amount__gt", 0)), name="payment_is_positive"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "auto_top_up"), ("status", "pending")),
                fields=("developer",),
                name="automatic_top_up_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="spendingcap",
            constraint=models.CheckConstraint(
                condition=models.Q(("daily_cap", None), ("daily_cap__gt", 0), _connector="OR"),
                name="daily_cap_is_positive",
            ),
        ),
        migrations.RunSQL(APPEND_ONLY, NOT_APPEND_ONLY),
        migrations.RunSQL(COSTS, "DROP VIEW billing_cost"),
        migrations.RunPython(add_rates, migrations.RunPython.noop),
    ]
