from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0003_tool_requests")]

    operations = [
        migrations.AddIndex(
            model_name="event", index=models.Index(fields=["developer", "-id"], name="event_by_developer")
        ),
    ]
