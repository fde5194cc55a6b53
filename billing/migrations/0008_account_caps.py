from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_spending_caps")]

    operations = [
        migrations.RemoveConstraint("spendingcap", "spending_cap_once"),
        migrations.RemoveField("spendingcap", "phone_number_id"),
        migrations.AlterField(
            "spendingcap",
            "developer",
            models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="spending_cap"),
        ),
        migrations.AddField(
            "spendingcap",
            "max_calls_per_caller_per_hour",
            models.PositiveIntegerField(
                null=True, blank=True, help_text="Inbound calls of one caller, to any of the numbers."
            ),
        ),
    ]
