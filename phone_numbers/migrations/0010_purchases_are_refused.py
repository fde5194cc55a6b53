from django.db import migrations, models


class Migration(migrations.Migration):
    """A purchase that comes to nothing is not charged any more, so that there is nothing to be refunded."""

    dependencies = [("numbers", "0009_verification_expiry")]

    operations = [
        migrations.RunSQL(
            "UPDATE numbers_numberpurchase SET status = 'refused' WHERE status = 'refunded'",
            "UPDATE numbers_numberpurchase SET status = 'refunded' WHERE status = 'refused'",
        ),
        migrations.AlterField(
            "numberpurchase",
            "status",
            models.CharField(
                choices=[("pending", "Pending"), ("bought", "Bought"), ("refused", "Refused")],
                default="pending",
                max_length=10,
            ),
        ),
    ]
