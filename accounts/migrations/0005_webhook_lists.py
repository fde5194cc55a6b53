from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_daily_cap")]

    operations = [
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(fields=["developer", "-id"], name="delivery_by_developer"),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("status", "failed")), fields=["developer", "-id"], name="delivery_failed"
            ),
        ),
    ]
