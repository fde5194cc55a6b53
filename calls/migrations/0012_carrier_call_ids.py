"""A carrier's id of a call is unique among that carrier's calls: another account's may report any id."""

from django.db import migrations, models


class Migration(migrations.Migration):
    safe_beside_old_code = (
        "Old code writes each carrier_call_id once, whatever the carrier, so all its rows satisfy the constraint."
    )

    dependencies = [
        ("calls", "0011_transcript_commentary"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="call",
            constraint=models.UniqueConstraint(fields=("carrier_call_id", "carrier"), name="call_once_per_carrier"),
        ),
        migrations.AlterField(
            model_name="call",
            name="carrier_call_id",
            field=models.CharField(max_length=200, null=True),
        ),
    ]
