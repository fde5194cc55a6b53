"""Deletes the browser phone with its account (accounts.extension_points.DELETION_STEPS)."""

from sandbox.models import Handset


def unplug_handset(developer_id: int) -> None:
    """Frees the phone's number for another account."""
    Handset.objects.filter(developer_id=developer_id).delete()
