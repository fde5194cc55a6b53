"""What becomes of model keys and secrets when their account is deleted (accounts.extension_points.DELETION_STEPS)."""

from django.db import transaction

from agents.models import Agent, ModelKey, Secret


@transaction.atomic
def delete_model_keys(developer_id: int) -> None:
    """Delete the developer's own vendor keys and secrets, in use or not: no more calls will use them."""
    Agent.objects.filter(developer_id=developer_id).update(model_key=None)
    ModelKey.objects.filter(developer_id=developer_id).delete()
    Secret.objects.filter(developer_id=developer_id).delete()
