from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_account_security")]

    operations = [
        # Keys that exist keep what they could do.
        migrations.AddField("apikey", "is_admin", models.BooleanField(default=True)),
        migrations.AlterField("apikey", "is_admin", models.BooleanField(default=False)),
    ]
