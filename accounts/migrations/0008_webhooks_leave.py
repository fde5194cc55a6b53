from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_admin_keys"),
        ("numbers", "0013_secrets_of_webhooks"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField(
                    model_name="webhookdelivery",
                    name="signing_secret",
                ),
                migrations.RemoveField(
                    model_name="webhookattempt",
                    name="delivery",
                ),
                migrations.RemoveField(
                    model_name="webhookdelivery",
                    name="developer",
                ),
                migrations.DeleteModel(
                    name="SigningSecret",
                ),
                migrations.DeleteModel(
                    name="WebhookAttempt",
                ),
                migrations.DeleteModel(
                    name="WebhookDelivery",
                ),
            ]
        ),
    ]
