"""Decides whether a number may be dialed now, for a call or a transfer. Each refusal has its own reason."""

from datetime import datetime, timedelta

import phonenumbers
from django.db.models import Q

from accounts.models import Developer
from billing import destinations
from bubblyphone.core.api.views import format_time
from bubblyphone.core.errors import Forbidden
from calls.models import Call, DialingPolicy, Direction, DoNotCallNumber, Transfer
from calls.policy.calling_hours import CallingHours, zones_of
from phone_numbers.models import PhoneNumber

DO_NOT_CALL = "do_not_call"
COUNTRY_NOT_ALLOWED = "country_not_allowed"
OUTSIDE_CALLING_HOURS = "outside_calling_hours"
TOO_MANY_ATTEMPTS = "too_many_attempts"
NO_RATE = "no_rate"
ATTEMPTS_WINDOW = timedelta(hours=24)
# Every reason why a number is not dialed, from the account's rules and ours.
REASONS = frozenset({
    destinations.EMERGENCY_NUMBER, destinations.PREMIUM_DESTINATION, NO_RATE,
    DO_NOT_CALL, COUNTRY_NOT_ALLOWED, OUTSIDE_CALLING_HOURS, TOO_MANY_ATTEMPTS,
})  # fmt: skip


def check(developer: Developer, to: str, *, now: datetime, is_configured: bool = False) -> None:
    """Raises Forbidden, whose `code` is one of REASONS, if the account's policy does not allow calling the number now.

    The account is locked (`ledger.lock_developer`), so that two simultaneous calls count each other's attempts. With `is_configured`, a
    transfer to a number chosen by the agent's owner, hours and attempts do not apply, nor do they for the account's own numbers.
    """
    if DoNotCallNumber.objects.filter(developer=developer, phone_number=to).exists():
        raise Forbidden("This number is on your do-not-call list.", code=DO_NOT_CALL)
    policy = DialingPolicy.objects.filter(developer=developer).first()
    if policy is None:
        return
    _check_country(policy, to)
    if is_configured or PhoneNumber.objects.filter(developer=developer, e164=to, released_at=None).exists():
        return
    _check_hours(policy, developer, to, now)
    _check_attempts(policy, to, now)


def country_of(e164: str) -> str:
    """The ISO code of a number's country; of a fictional range the main country of its calling code."""
    number = phonenumbers.parse(e164)
    code = number.country_code or 0
    return phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(code)


def _check_country(policy: DialingPolicy, to: str) -> None:
    country = country_of(to)
    if policy.allowed_countries is not None and country not in policy.allowed_countries:
        raise Forbidden(f"Your policy does not allow calls to this country ({country}).", code=COUNTRY_NOT_ALLOWED)


def _check_hours(policy: DialingPolicy, developer: Developer, to: str, now: datetime) -> None:
    if policy.calling_hours is None:
        return
    hours, zones = CallingHours.from_json(policy.calling_hours), zones_of(to, developer.time_zone)
    if not all(hours.include(now.astimezone(zone)) for zone in zones):
        raise Forbidden(
            "It is outside your calling hours where this number is.",
            code=OUTSIDE_CALLING_HOURS,
            details={"next_allowed_at": format_time(hours.next_opening(now, zones))},
        )


def _check_attempts(policy: DialingPolicy, to: str, now: datetime) -> None:
    limit = policy.max_calls_per_number_per_day
    if limit is not None and attempts_at(policy.developer_id, to, now - ATTEMPTS_WINDOW) >= limit:
        times = "once" if limit == 1 else f"{limit} times"
        raise Forbidden(f"This number was already called {times} in the last 24 hours.", code=TOO_MANY_ATTEMPTS)


def attempts_at(developer_id: int, to: str, since: datetime) -> int:
    """How often the number was dialed, answered or not, by calls and transfers."""
    calls = Call.objects.filter(
        developer_id=developer_id, to_number=to, started_at__gt=since, direction=Direction.OUTBOUND, sandbox=False
    )
    transfers = Transfer.objects.filter(call__developer_id=developer_id, to_number=to)
    dialed = transfers.filter(Q(sent_at__gt=since) | Q(sent_at=None, failed_at=None, requested_at__gt=since))
    return calls.filter(refusal_reason="").count() + dialed.count()
