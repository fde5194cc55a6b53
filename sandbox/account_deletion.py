"""What becomes of the browser phone when its account is deleted (accounts.extension_points.DELETION_STEPS)."""

from sandbox.models import Handset


def unplug_handset(developer_id: int) -> None:
    """Its number is free for another account."""
    Handset.objects.filter(developer_id=developer_id).delete()
