from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0018_saved_views")]

    operations = [
        migrations.AddField(
            model_name="call",
            name="connect_to",
            field=models.CharField(blank=True, db_default="", default="", max_length=20),
        ),
    ]
