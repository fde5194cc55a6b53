import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes of large tables are built while calls write to them

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("webhooks", "0001_initial"),
    ]

    operations = [
        AddIndexConcurrently(
            "event", models.Index(fields=["developer", "event_type", "position"], name="event_by_type")
        ),
        AddIndexConcurrently(
            "event", models.Index(fields=["developer", "created_at"], include=["position"], name="event_by_time")
        ),
        AddIndexConcurrently("event", models.Index(fields=["subject"], name="event_by_subject")),
        AddIndexConcurrently(
            "webhookdelivery",
            models.Index(
                condition=~models.Q(status="delivered"),
                fields=["developer", "status", "-id"],
                name="delivery_undelivered",
            ),
        ),
        AddIndexConcurrently(
            "webhookdelivery", models.Index(fields=["developer", "event_type", "-id"], name="delivery_by_type")
        ),
        AddIndexConcurrently(
            "webhookdelivery",
            models.Index(
                condition=models.Q(endpoint__isnull=False), fields=["endpoint", "-id"], name="delivery_by_endpoint"
            ),
        ),
        RemoveIndexConcurrently("webhookdelivery", "delivery_failed"),
        # Other indexes begin with these columns.
        migrations.AlterField(
            "event",
            "developer",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            "webhookdelivery",
            "developer",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="webhook_deliveries",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            "webhookdelivery",
            "endpoint",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deliveries",
                to="webhooks.webhookendpoint",
            ),
        ),
        migrations.AlterField(
            "webhookattempt",
            "delivery",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="webhooks.webhookdelivery",
            ),
        ),
    ]
