"""Each month of a number is paid in advance, on the day of its purchase.

    paid ──due──▶ paid                            balance is enough
             └──▶ unpaid ──7 days──▶ suspended ──30 days──▶ release ordered ──▶ released
                    └──────payment───────┴──▶ paid

The state is in the number's row; each step is one short transaction under the account's lock, and the next step is read from
the row again. So the job can die anywhere and run any number of times: a month is paid once by its key (`number:7:2026-12`), each
message is sent once by its own key, and releasing a number at the carrier is repeated until it succeeds.
"""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError, transaction
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, Func, QuerySet
from django.utils import timezone

from billing import ledger
from bubblyphone.core.money import ZERO
from phone_numbers import imports
from phone_numbers.carriers.base import CarrierError
from phone_numbers.charging import charges, renewal_notices
from phone_numbers.models import PhoneNumber

logger = logging.getLogger(__name__)
GRACE = timedelta(days=7)
SUSPENSION = timedelta(days=30)
Status = PhoneNumber.Status


def renew_all(now: datetime | None = None) -> None:
    """The hourly job: advance every number that is due or soon will be; release numbers whose release was ordered."""
    now = now or timezone.now()
    soon = now + timedelta(days=max(renewal_notices.REMINDER_DAYS))
    for number_id in due_numbers(soon).values_list("pk", flat=True):
        _try_to_renew(number_id, now)
    for number in PhoneNumber.objects.filter(release_ordered_at__isnull=False, released_at=None).order_by("pk"):
        release(number, now)


def renew_overdue(developer_id: int, now: datetime | None = None) -> None:
    """The account received credit: pay what is due now instead of at the next hourly run."""
    now = now or timezone.now()
    due = due_numbers(now).filter(developer_id=developer_id)
    for number_id in due.values_list("pk", flat=True):
        _try_to_renew(number_id, now)


def renew(number_id: int, now: datetime) -> None:
    """Pay what is due as far as the balance allows; otherwise remind, suspend or release."""
    with transaction.atomic():
        # The account is always locked before the number.
        ledger.lock_developer(PhoneNumber.objects.values_list("developer_id", flat=True).get(pk=number_id))
        number = PhoneNumber.objects.select_for_update(of=("self",)).get(pk=number_id)
        if number.status == Status.RELEASED or number.release_ordered_at is not None:
            return
        while number.renews_at <= now and _is_affordable(number):
            _pay(number, now)
        if number.renews_at <= now:
            _go_without_payment(number, now)
        else:
            _remind_in_time(number, now)
        number.save(update_fields=["months_paid", "unpaid_since", "suspended_at", "release_ordered_at", "status"])


def release(number: PhoneNumber, now: datetime) -> None:
    """Release a number at the carrier after its release was ordered. The next run retries failures."""
    try:
        imports.give_back(number)
    except CarrierError as error:
        logger.warning("Releasing a number at the carrier failed: %s", error, extra={"phone_number_id": number.pk})
        return
    with transaction.atomic():
        fresh = PhoneNumber.objects.unreleased().select_for_update(of=("self",)).filter(pk=number.pk).first()
        if fresh is None:
            return
        fresh.release(now)
        renewal_notices.send(fresh, "released", now)


def due_numbers(by: datetime) -> QuerySet[PhoneNumber]:
    """Numbers due for renewal by then, longest overdue first, with the due time as `renewal`.

    PostgreSQL adds months like `add_months`.
    """
    months = Func(
        F("months_paid"),
        function="make_interval",
        template="%(function)s(months => %(expressions)s)",
        output_field=DurationField(),
    )
    numbers = PhoneNumber.objects.unreleased().filter(release_ordered_at=None)
    renewal = ExpressionWrapper(F("created_at") + months, output_field=DateTimeField())
    return numbers.annotate(renewal=renewal).filter(renewal__lte=by).order_by("renewal", "pk")


def _is_affordable(number: PhoneNumber) -> bool:
    """A number that is free here is renewed whatever the balance is."""
    return number.monthly_cost == ZERO or ledger.available(number.developer_id) >= number.monthly_cost


def _try_to_renew(number_id: int, now: datetime) -> None:
    try:
        renew(number_id, now)
    except (DatabaseError, ledger.KeyReused):
        # One failure must not block the others.
        logger.exception("Renewing a number failed", extra={"phone_number_id": number_id})


def _pay(number: PhoneNumber, now: datetime) -> None:
    charges.charge_month(number, number.renews_at, at=now)
    was_suspended = number.status == Status.SUSPENDED
    if was_suspended:
        renewal_notices.send(number, "reactivated", now)
    number.months_paid += 1
    number.unpaid_since = number.suspended_at = None
    number.status = Status.ACTIVE


def _go_without_payment(number: PhoneNumber, now: datetime) -> None:
    """Periods count from when the problem was noticed and reported, so that an outage of ours does not shorten them."""
    if number.unpaid_since is None:
        number.unpaid_since = now
    if number.status == Status.SUSPENDED:
        if number.suspended_at is not None and now >= number.suspended_at + SUSPENSION:
            number.release_ordered_at = now
    elif now >= number.unpaid_since + GRACE:
        number.status, number.suspended_at = Status.SUSPENDED, now
        renewal_notices.send(number, "suspended", now, ends_at=now + SUSPENSION)
    else:
        renewal_notices.remind(number, "unpaid", now, ends_at=number.unpaid_since + GRACE)


def _remind_in_time(number: PhoneNumber, now: datetime) -> None:
    """Remind in advance if the balance does not cover all renewals of the account until then."""
    renewals = due_numbers(number.renews_at).filter(developer_id=number.developer_id)
    needed = sum(renewals.values_list("monthly_cost", flat=True), ZERO)
    if number.monthly_cost > ZERO and ledger.available(number.developer_id) < needed:
        renewal_notices.remind(number, "upcoming", now, ends_at=number.renews_at)
