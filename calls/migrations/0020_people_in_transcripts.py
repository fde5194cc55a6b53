"""A person who has taken a call over is in its transcript."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0019_connect_to")]

    operations = [
        migrations.AlterField(
            model_name=name,
            name="role",
            field=models.CharField(choices=[("user", "User"), ("model", "Model"), ("human", "Human")], max_length=5),
        )
        for name in ("transcriptentry", "speechtime")
    ]
