"""Removes cards with their account (accounts.extension_points.DELETION_STEPS)."""

from accounts.models import Developer
from billing.models import AutoTopUp, Card
from billing.payments import cards
from billing.payments.client import is_configured


def forget_cards(developer_id: int) -> None:
    """Stop charging, and have Stripe delete the cards. Raises UpstreamFailed if it cannot be reached."""
    AutoTopUp.objects.filter(developer_id=developer_id).update(enabled=False)
    developer = Developer.objects.get(pk=developer_id)
    for card in Card.objects.filter(developer=developer):
        if is_configured():
            cards.remove(developer=developer, pk=card.pk)
        else:
            cards.forget(card.stripe_id)
