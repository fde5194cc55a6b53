"""Calls know whether the model was ever heard: one that was not is not charged."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("calls", "0010_voicemail_messages_and_causes")]

    operations = [
        migrations.AddField(model_name="call", name="model_spoke_at", field=models.DateTimeField(null=True)),
    ]
