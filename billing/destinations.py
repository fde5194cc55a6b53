"""Which destinations can be called: those that are always refused, whatever the account's policy, and the rates of the others.

Emergency and short numbers are refused because nobody would know where the caller is; costly ranges because a stolen key would be used
for them first.
"""

from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from billing.models import AllowedPrefix, TelephonyRate
from billing.selectors import find_rate
from bubblyphone.core.errors import Forbidden, InvalidRequest
from bubblyphone.core.numbering.ranges import RangeKind, kind_of

EMERGENCY_NUMBER = "emergency_number"
PREMIUM_DESTINATION = "premium_destination"
REFUSALS = {
    EMERGENCY_NUMBER: "Emergency and short numbers cannot be called.",
    PREMIUM_DESTINATION: (
        "Premium-rate, shared-cost, personal, pager, company-wide, and satellite numbers cannot be called. "
        "Contact support to allow the prefix."
    ),
}


def rate_to(e164: str, *, developer_id: int, at: datetime) -> Decimal:
    """USD per started minute of a call or transfer to a number (`is_e164`), by the rates of a moment.

    Raises Forbidden whose `code` is `emergency_number`, `premium_destination` or `no_rate`.
    """
    match kind_of(e164):
        case RangeKind.SHORT:
            raise _refusal(EMERGENCY_NUMBER)
        case RangeKind.COSTLY if not _is_allowed(e164, developer_id, at):
            raise _refusal(PREMIUM_DESTINATION)
    return find_rate(TelephonyRate.Direction.OUTBOUND, e164, at)


def check_field(name: str, e164: str | None, *, developer_id: int) -> None:
    """Raises InvalidRequest if a setting names a number that calls cannot be transferred to; null, "" and variables pass."""
    if not e164 or "{{" in e164:
        return
    try:
        rate_to(e164, developer_id=developer_id, at=timezone.now())
    except Forbidden as error:
        raise InvalidRequest({name: [error.message]}) from error


def exact_rate(prefix: str) -> Decimal | None:
    """USD a minute of calls to numbers for which exactly this prefix has a rate now; None without one."""
    rates = TelephonyRate.objects.filter(direction=TelephonyRate.Direction.OUTBOUND, valid_from__lte=timezone.now())
    newest = rates.filter(prefix=prefix).order_by("-valid_from").first()
    return newest.price_per_minute if newest else None


def _refusal(reason: str) -> Forbidden:
    return Forbidden(REFUSALS[reason], code=reason)


def _is_allowed(e164: str, developer_id: int, at: datetime) -> bool:
    """Whether staff allowed a prefix of the number for the account and entered a rate for exactly that prefix."""
    digits = e164.removeprefix("+")
    beginnings = [digits[:length] for length in range(1, len(digits) + 1)]
    allowed = AllowedPrefix.objects.filter(developer_id=developer_id, prefix__in=beginnings).values("prefix")
    rates = TelephonyRate.objects.filter(direction=TelephonyRate.Direction.OUTBOUND, valid_from__lte=at)
    return rates.filter(prefix__in=allowed).exists()
