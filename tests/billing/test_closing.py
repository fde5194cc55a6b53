"""The cards of a deleted account."""

import pytest

from accounts import account_deletion
from billing.models import AutoTopUp, Card
from tests.billing.payments import enable_auto_top_up, save_card
from tests.factories import PASSWORD, make_developer
from tests.fakes.stripe_server import FakeStripe

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def test_nothing_more_is_charged_and_the_card_is_removed_at_stripe(stripe: FakeStripe) -> None:
    developer = make_developer()
    card = save_card(stripe, developer)
    enable_auto_top_up(developer)
    account_deletion.close_account(developer=developer, password=PASSWORD, address="192.0.2.1")
    account_deletion.finish(developer.pk)
    assert not Card.objects.exists()
    assert not AutoTopUp.objects.get().enabled
    assert stripe.account.objects[card.stripe_id]["customer"] is None
