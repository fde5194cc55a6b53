from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("numbers", "0008_interruptions_and_fallback"),
    ]

    operations = [
        migrations.AddField(
            model_name="verification",
            name="expires_on",
            field=models.DateField(null=True),
        ),
    ]
