"""When we notify a developer that a carrier no longer accepts the credentials of their own account."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db.models import F

from accounts.models import Developer
from phone_numbers import carrier_accounts
from phone_numbers.models import CarrierAccount
from tests.factories import make_carrier_account
from tests.fakes.exchange_thread import ExchangeThread
from tests.jobs import run_jobs
from webhooks.models import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
# The hourly results, and the hours at which the developer is notified. "r": the credentials are replaced first.
HOURS = [
    ("ok bad bad bad", [1]),
    ("bad ok bad ok bad ok", [0]),
    ("bad ok bad " + "bad " * 24, [0, 24]),
    ("bad " * 30, [0]),
    ("bad ok bad r bad bad", [0, 3]),
]


@pytest.mark.parametrize(("found", "reported_at"), HOURS)
def test_each_failure_is_reported_but_intermittent_ones_once_a_day(
    developer: Developer, exchange: ExchangeThread, found: str, reported_at: list[int]
) -> None:
    account = make_carrier_account(developer, **exchange.credentials())
    right, failed_at, hour = exchange.exchange.api_key, [], 0
    for state in found.split():
        if state == "r":
            exchange.exchange.api_key = right
            carrier_accounts.update_account(account, credentials=exchange.credentials())
            account.refresh_from_db()
            continue
        exchange.exchange.api_key = right if state == "ok" else "another"
        carrier_accounts.check_accounts()
        run_jobs()
        events = Event.objects.filter(event_type="carrier_account.failing").count()
        assert len(mail.outbox) == events
        failed_at += [hour] * (events - len(failed_at))
        CarrierAccount.objects.update(
            told_at=F("told_at") - timedelta(hours=1), failing_since=F("failing_since") - timedelta(hours=1)
        )
        hour += 1
    assert failed_at == reported_at
