"""Deletes agents, model keys and secrets with their account (accounts.extension_points.DELETION_STEPS)."""

from django.db import transaction

from agents.models import Agent, ModelKey, Secret
from webhooks.models import SigningSecret


@transaction.atomic
def delete_agents(developer_id: int) -> None:
    """Delete the agents with their versions and drafts, the developer's own vendor keys, and the secrets. No call uses them anymore."""
    agents = Agent.objects.filter(developer_id=developer_id)
    signing = list(agents.exclude(signing_secret=None).values_list("signing_secret_id", flat=True))
    agents.delete()
    SigningSecret.objects.filter(pk__in=signing).delete()
    ModelKey.objects.filter(developer_id=developer_id).delete()
    Secret.objects.filter(developer_id=developer_id).delete()
