"""Releases and deletes numbers with their account (accounts.extension_points.DELETION_STEPS)."""

from agents.models import AgentSettings
from bubblyphone.core.errors import Conflict
from phone_numbers import services
from phone_numbers.models import CarrierAccount, NumberPurchase, PhoneNumber, VerificationDocument
from phone_numbers.retention import forget


def release_numbers(developer_id: int) -> None:
    """Release all numbers.

    Raises Conflict while calls are running on them or one is being bought, UpstreamFailed if the carrier fails.
    """
    if NumberPurchase.objects.filter(developer_id=developer_id, status=NumberPurchase.Status.PENDING).exists():
        raise Conflict("A number purchase is still waiting for the carrier.")
    owned = PhoneNumber.objects.unreleased().filter(developer_id=developer_id)
    for number in owned:
        services.release_number(number=number, is_last_day=True)


def forget_settings(developer_id: int) -> None:
    """Clear the settings of released numbers, which stay as a record for the bill: prompts, and webhook URLs."""
    fields: list[str] = [field.name for field in AgentSettings._meta.get_fields()]
    cleared = {**dict.fromkeys(fields), "label": "", "webhook_url": "", "previous_routing": ""}
    PhoneNumber.objects.filter(developer_id=developer_id, status=PhoneNumber.Status.RELEASED).update(**cleared)


def delete_carrier_accounts(developer_id: int) -> None:
    """Delete the credentials once their numbers are released."""
    CarrierAccount.objects.filter(developer_id=developer_id).delete()


def delete_documents(developer_id: int) -> None:
    """Delete documents and their contents; the record of the submission and the decision stays."""
    for document in VerificationDocument.objects.filter(verification__developer_id=developer_id):
        forget(document)
