"""Renewals on a simulated clock: when they are paid, when the developer is notified, and what happens to unpaid numbers."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django_q.models import OrmQ, Schedule

from accounts.models import Developer
from billing import ledger, ledger_verification, notices
from billing.models import LedgerEntry, Notice
from billing.periods import add_months
from bubblyphone.core.money import ZERO
from phone_numbers.charging import renewals
from phone_numbers.models import PhoneNumber
from phone_numbers.services import buy_number
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import bearer, make_developer, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import LossyProxy
from tests.jobs import run_jobs
from tests.phone_numbers.own_accounts import imported
from webhooks.models import WebhookDelivery

pytestmark = pytest.mark.django_db
BOUGHT = datetime(2028, 1, 31, 10, tzinfo=UTC)
DUE = datetime(2028, 2, 29, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def make_number(developer: Developer, **fields: Any) -> PhoneNumber:
    return make_phone_number(developer=developer, **{"created_at": BOUGHT, **fields})


def credit(developer: Developer, amount: str) -> None:
    key = f"credit:{LedgerEntry.objects.count()}"
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(amount), key=key)


def months_of(number: PhoneNumber) -> list[tuple[str, datetime]]:
    """(month in the key, time of the ledger entry)."""
    entries = LedgerEntry.objects.filter(key__startswith=f"number:{number.pk}:").order_by("pk")
    return [(entry.key.rsplit(":", 1)[1], entry.created_at) for entry in entries]


def state_of(number: PhoneNumber) -> str:
    number.refresh_from_db()
    return number.status


def notices_of(developer: Developer) -> list[str]:
    """The account's notices, by the ends of their keys."""
    keys = Notice.objects.filter(developer=developer).order_by("pk").values_list("key", flat=True)
    return [key.split(":", 2)[2] for key in keys]


@pytest.mark.parametrize(
    ("bought", "months", "due"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2026-01-31", 2, "2026-03-31"),
        ("2026-01-31", 3, "2026-04-30"),
        ("2026-01-31", 25, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2028-02-29", 13, "2029-03-29"),
        ("2028-02-29", 48, "2032-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-11-30", 3, "2027-02-28"),
    ],
)
def test_renewal_dates(bought: str, months: int, due: str) -> None:
    moment = datetime.fromisoformat(f"{bought}T23:59:59+00:00")
    assert add_months(moment, months) == datetime.fromisoformat(f"{due}T23:59:59+00:00")
    # The database query for due numbers computes the same dates.
    number = make_number(make_account(), created_at=moment, months_paid=months)
    assert [found.renewal for found in renewals.due_numbers(number.renews_at)] == [number.renews_at]
    assert not renewals.due_numbers(number.renews_at - timedelta(microseconds=1)).exists()


def test_24_months_with_crashes_and_repeats() -> None:
    developer = make_account("150")
    first, second = make_number(developer), make_number(developer, created_at=datetime(2028, 2, 29, 12, tzinfo=UTC))
    due_days = {add_months(number.created_at, month).date() for number in (first, second) for month in range(26)}
    chance = random.Random(24)
    for day in range(1, 758):
        now = BOUGHT + day * DAY + 3 * HOUR
        if now.date() not in due_days and chance.random() < 0.97:
            continue  # only test a few of the days without renewals
        if chance.random() < 0.3:
            with transaction.atomic():  # simulates a process that is killed before it commits
                renewals.renew_all(now)
                transaction.set_rollback(True)
        for _ in range(2 if chance.random() < 0.3 else 1):
            renewals.renew_all(now)
    assert [moment for _, moment in months_of(first)] == [
        add_months(BOUGHT, month) + 3 * HOUR for month in range(1, 25)
    ]
    assert [month for month, _ in months_of(first)] == [f"{add_months(BOUGHT, month):%Y-%m}" for month in range(1, 25)]
    days = [moment.date().isoformat() for _, moment in months_of(second)]
    assert (len(days), days[0], days[11], days[12]) == (23, "2028-03-29", "2029-02-28", "2029-03-29")
    assert ledger.balance(developer.pk) == 150 - 47 * 3
    assert list(ledger_verification.check_entries()) == [
        "the ledger is not protected: its trigger ledger_is_never_emptied is missing or disabled"  # off in tests
    ]
    assert notices_of(developer) == []


def test_a_month_is_paid_exactly_when_it_is_due() -> None:
    developer = make_account("10")
    number = make_number(developer)
    renewals.renew_all(DUE - timedelta(microseconds=1))
    assert months_of(number) == []
    for _ in range(3):
        renewals.renew_all(DUE)
    assert months_of(number) == [("2028-02", DUE)]
    entry = LedgerEntry.objects.get(key=f"number:{number.pk}:2028-02")
    assert (entry.kind, entry.amount) == ("number_month", -3)
    assert entry.description == f"Number {number.e164}, month from 2028-02-29"
    number.refresh_from_db()
    assert (number.months_paid, number.renews_at) == (2, datetime(2028, 3, 31, 10, tzinfo=UTC))


def test_the_lifecycle_of_an_unpaid_number(exchange: ExchangeThread) -> None:
    developer = make_account("6")
    number = buy_number(developer=developer, phone_number="+14155550100", webhook_url="http://127.0.0.1:9/hook")
    PhoneNumber.objects.update(created_at=BOUGHT)
    run_jobs()
    steps = []
    now = DUE - 9 * DAY
    while now < DUE + 40 * DAY:
        renewals.renew_all(now)
        state = state_of(number)
        if not steps or steps[-1][1] != state:
            steps.append((now - DUE, state))
        now += 12 * HOUR
    assert steps == [(-9 * DAY, "active"), (7 * DAY, "suspended"), (37 * DAY, "released")]
    assert number.released_at == DUE + 37 * DAY
    assert "+14155550100" not in exchange.exchange.state.phone_numbers
    assert ledger.balance(developer.pk) == 0
    month = "2028-02"
    assert notices_of(developer) == [
        *(f"{month}:upcoming:{days}" for days in (7, 3, 1)),
        *(f"{month}:unpaid:{days}" for days in (7, 3, 1)),
        f"{month}:suspended",
        f"{month}:released",
    ]
    sent = [json.loads(body) for body in WebhookDelivery.objects.order_by("pk").values_list("body", flat=True)]
    assert [(body["event"], body["state"], body["days_left"]) for body in sent] == [
        ("number.renewal.reminder", "upcoming", 7),
        ("number.renewal.reminder", "upcoming", 3),
        ("number.renewal.reminder", "upcoming", 1),
        ("number.renewal.reminder", "unpaid", 7),
        ("number.renewal.reminder", "unpaid", 3),
        ("number.renewal.reminder", "unpaid", 1),
        ("number.suspended", "suspended", None),
        ("number.released", "released", None),
    ]
    assert sent[0] == {
        "event": "number.renewal.reminder",
        "phone_number_id": str(number.pk),
        "phone_number": "+14155550100",
        "state": "upcoming",
        "amount": "3.00",
        "currency": "USD",
        "due_at": "2028-02-29T10:00:00Z",
        "ends_at": "2028-02-29T10:00:00Z",
        "days_left": 7,
        "timestamp": "2028-02-22T10:00:00Z",
    }
    run_jobs()
    assert [message.subject for message in mail.outbox] == [
        *["Your balance is too low to renew +14155550100"] * 3,
        *["We could not renew +14155550100"] * 3,
        "+14155550100 is suspended",
        "+14155550100 was released",
    ]
    assert "suspend it on March 7, 2028, 10:00 UTC" in mail.outbox[3].body
    assert mail.outbox[0].to == [developer.email]


def test_a_payment_during_the_grace_period() -> None:
    developer = make_account("0")
    number = make_number(developer)
    renewals.renew_all(DUE)
    number.refresh_from_db()
    assert (number.status, number.unpaid_since) == ("active", DUE)
    credit(developer, "5")
    renewals.renew_overdue(developer.pk, DUE + 6 * DAY)
    number.refresh_from_db()
    assert (number.status, number.unpaid_since, number.months_paid) == ("active", None, 2)
    assert ledger.balance(developer.pk) == 2


def test_a_payment_reactivates_a_suspended_number(empty_redis: object) -> None:
    developer = make_account("0")
    number = make_streaming_number(developer, created_at=BOUGHT)
    for day in (0, 7):
        renewals.renew_all(DUE + day * DAY)
    assert state_of(number) == "suspended"
    credit(developer, "2")
    renewals.renew_overdue(developer.pk, DUE + 8 * DAY)
    assert (state_of(number), ledger.balance(developer.pk)) == ("suspended", 2)
    request = {"from": number.e164, "to": "+14155550199", "mode": "streaming"}
    placed = Client().post("/api/v1/calls", request, content_type="application/json", headers=bearer(developer))
    sandbox = Client().post(
        "/api/v1/sandbox/calls",
        {"phone_number_id": number.pk},
        content_type="application/json",
        headers=bearer(developer),
    )
    assert (placed.status_code, sandbox.status_code) == (409, 409)
    credit(developer, "4")
    renewals.renew_overdue(developer.pk, DUE + 9 * DAY)
    assert (state_of(number), number.suspended_at, number.months_paid) == ("active", None, 2)
    assert ledger.balance(developer.pk) == 3
    assert notices_of(developer)[-1] == "2028-02:reactivated"
    # The next month is still due on its original date.
    renewals.renew_all(number.renews_at)
    assert [month for month, _ in months_of(number)] == ["2028-02", "2028-03"]


def test_credit_triggers_overdue_renewals() -> None:
    developer = make_account("0")
    number = make_number(developer, created_at=datetime(2026, 1, 31, tzinfo=UTC), months_paid=1)
    due = number.renews_at
    renewals.renew_all(due)
    OrmQ.objects.all().delete()
    credit(developer, "3")
    run_jobs()
    assert [month for month, _ in months_of(number)] == ["2026-02"]


def test_two_months_are_owed_if_the_second_one_became_due_during_the_suspension() -> None:
    developer = make_account("0")
    number = make_number(developer)
    for day in (0, 7, 35):
        renewals.renew_all(DUE + day * DAY)
    credit(developer, "3.5")
    late = DUE + 35 * DAY  # April 4; the second month has been due since March 31
    renewals.renew_overdue(developer.pk, late)
    assert (state_of(number), number.months_paid, number.unpaid_since) == ("active", 2, late)
    credit(developer, "2.5")
    renewals.renew_overdue(developer.pk, late + HOUR)
    assert (state_of(number), number.months_paid, number.unpaid_since) == ("active", 3, None)
    assert ledger.balance(developer.pk) == 0


def test_no_reminder_if_the_balance_covers_all_renewals() -> None:
    developer = make_account("5")
    first, second = make_number(developer), make_number(developer, created_at=BOUGHT + HOUR)
    renewals.renew_all(DUE - 6 * DAY)
    assert Notice.objects.get().key == f"number:{second.pk}:2028-02:upcoming:7"
    credit(developer, "1")
    renewals.renew_all(DUE - 2 * DAY)
    assert Notice.objects.count() == 1
    renewals.renew_all(DUE + HOUR)
    assert [months_of(number) for number in (first, second)] == [[("2028-02", DUE + HOUR)]] * 2


def test_an_outage_of_ours_does_not_shorten_the_grace_period() -> None:
    developer = make_account("0")
    number = make_number(developer)
    late = DUE + 100 * DAY
    renewals.renew_all(late)
    assert (state_of(number), number.unpaid_since) == ("active", late)
    renewals.renew_all(late + 100 * DAY)
    assert (state_of(number), number.suspended_at) == ("suspended", late + 100 * DAY)
    assert number.release_ordered_at is None


def test_a_release_is_retried_until_it_succeeds(lossy_proxy: LossyProxy, exchange: ExchangeThread) -> None:
    developer = make_account("6")
    number = buy_number(developer=developer, phone_number="+14155550100")
    PhoneNumber.objects.update(created_at=BOUGHT, months_paid=1)
    for day in (0, 7):
        renewals.renew_all(DUE + day * DAY)
    ref = exchange.exchange.state.phone_numbers["+14155550100"]["id"]
    lossy_proxy.lost.add(f"DELETE {ref}")
    for hour in range(2):
        renewals.renew_all(DUE + 37 * DAY + hour * HOUR)
        assert state_of(number) == "suspended"
    # The carrier may already have released it, so a payment is too late.
    credit(developer, "20")
    renewals.renew_overdue(developer.pk, DUE + 37 * DAY + 2 * HOUR)
    assert (state_of(number), ledger.balance(developer.pk)) == ("suspended", 20)
    lossy_proxy.lost.clear()
    for _ in range(2):
        renewals.renew_all(DUE + 38 * DAY)
        assert (state_of(number), number.released_at) == ("released", DUE + 38 * DAY)
    assert [key for key in notices_of(developer) if key.endswith("released")] == ["2028-02:released"]


def test_emails_are_retried_while_the_mail_server_is_down(settings: Any) -> None:
    developer = make_account("0")
    make_number(developer)
    renewals.renew_all(DUE)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    run_jobs()
    notice = Notice.objects.get()
    assert (notice.sent_at, notice.attempt_count) == (None, 1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert notice.next_attempt_at is not None
    notices.send_waiting(notice.next_attempt_at - timedelta(seconds=1))
    assert mail.outbox == []
    for _ in range(2):
        notices.send_waiting(notice.next_attempt_at)
    assert len(mail.outbox) == 1
    notice.refresh_from_db()
    assert (notice.sent_at is not None, notice.attempt_count, notice.next_attempt_at) == (True, 2, None)


def test_the_jobs_are_scheduled() -> None:
    found = dict(Schedule.objects.values_list("name", "minutes"))
    assert (found["renew phone numbers"], found["send billing notices"]) == (60, 1)


def test_a_free_number_is_renewed_even_with_a_negative_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    number = imported(make_developer(), 1)
    monkeypatch.setattr(renewals.ledger, "available", lambda developer_id: ZERO - 1)
    renewals.renew(number.pk, number.renews_at)
    number.refresh_from_db()
    assert (number.months_paid, number.status) == (2, "active")
