from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Press",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("place", models.TextField(blank=True, default="")),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]
