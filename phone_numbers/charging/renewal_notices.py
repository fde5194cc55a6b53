"""Notices about a number's renewal: an email and a webhook to the number's address, each once."""

from datetime import datetime, timedelta

from django.conf import settings

from billing import notices
from bubblyphone.core.api.views import format_time
from bubblyphone.core.money import format_money
from phone_numbers.models import PhoneNumber
from webhooks import outbox

REMINDER_DAYS = (7, 3, 1)
EVENTS = {
    "upcoming": "number.renewal.reminder",
    "unpaid": "number.renewal.reminder",
    "suspended": "number.suspended",
    "reactivated": "number.reactivated",
    "released": "number.released",
}


def remind(number: PhoneNumber, state: str, now: datetime, *, ends_at: datetime) -> None:
    """Send reminders 7, 3 and 1 days before `ends_at`: "upcoming" before a renewal, "unpaid" before a suspension."""
    passed = [days for days in REMINDER_DAYS if ends_at - now <= timedelta(days=days)]
    if passed:
        send(number, state, now, ends_at=ends_at, days_left=min(passed))


def send(
    number: PhoneNumber, state: str, now: datetime, *, ends_at: datetime | None = None, days_left: int | None = None
) -> None:
    """Call it in the transaction of the change. Sends once per renewal, state and number of days."""
    key = f"number:{number.pk}:{number.renews_at:%Y-%m}:{state}" + (f":{days_left}" if days_left else "")
    context = {
        "state": state,
        "phone_number": number.e164,
        "amount": format_money(number.monthly_cost),
        "due": f"{number.renews_at:%B %-d, %Y, %H:%M} UTC",
        "ends": f"{ends_at:%B %-d, %Y, %H:%M} UTC" if ends_at else "",
        "link": f"{settings.PUBLIC_URL}/billing",
    }
    is_new = notices.send_once(developer_id=number.developer_id, key=key, template="number_renewal", context=context)
    if is_new:
        outbox.publish(
            developer_id=number.developer_id,
            subject=f"number:{number.pk}",
            event_type=EVENTS[state],
            to=[outbox.Address(number.webhook_url, number.signing_secret_id)] if number.webhook_url else [],
            payload={
                "event": EVENTS[state],
                "phone_number_id": str(number.pk),
                "phone_number": number.e164,
                "state": state,
                "amount": format_money(number.monthly_cost),
                "currency": "USD",
                "due_at": format_time(number.renews_at),
                "ends_at": format_time(ends_at),
                "days_left": days_left,
                "timestamp": format_time(now),
            },
        )
