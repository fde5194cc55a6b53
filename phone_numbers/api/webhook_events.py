"""The events of numbers (`phone_numbers.charging.renewal_notices`) and of country verifications (`phone_numbers.verification`)."""

from bubblyphone.core.api.json_schema import choice, moment, money, nullable, text, whole
from bubblyphone.core.api.webhook_schema import Webhook
from phone_numbers.models import NumberType, Verification


def _renewal(when: str, state: str, *, ends_at: str | None, days_left: int | None) -> Webhook:
    fields = {
        "phone_number_id": text("1"),
        "phone_number": text("+14155551234"),
        "state": choice(["upcoming", "unpaid", "suspended", "reactivated", "released"], state),
        "amount": money("3.00", "Monthly price."),
        "currency": text("USD", const="USD"),
        "due_at": nullable(moment("When the renewal is due.", "2026-04-30T12:00:00Z")),
        "ends_at": nullable(moment("When the next state begins if the renewal stays unpaid."), example=ends_at),
        "days_left": nullable(whole(7), example=days_left),
    }
    return Webhook(when, fields, at="2026-04-23T12:00:00Z")


RENEWALS = {
    "number.renewal.reminder": _renewal(
        "Sent 7, 3, and 1 days before a renewal that your balance does not cover, and before an unpaid number is suspended.",
        "upcoming",
        ends_at="2026-04-30T12:00:00Z",
        days_left=7,
    ),
    "number.suspended": _renewal(
        "The renewal was not paid in time. The number cannot receive or place calls until it is paid.",
        "suspended",
        ends_at="2026-05-30T12:00:00Z",
        days_left=None,
    ),
    "number.reactivated": _renewal(
        "The renewal was paid and the number is active again.", "reactivated", ends_at=None, days_left=None
    ),
    "number.released": _renewal(
        "The number was not paid and has been released.", "released", ends_at=None, days_left=None
    ),
}
WEBHOOKS = {
    "webhook.test": Webhook(
        "A test event you sent to a number's URL, or to an account endpoint (`webhook_endpoint_id`). Any 2xx response counts as "
        "received.",
        {"phone_number_id": text("1"), "phone_number": text("+14155551234"), "webhook_endpoint_id": text("3")},
        optional=("phone_number_id", "phone_number", "webhook_endpoint_id"),
    ),
    **RENEWALS,
    "carrier_account.failing": Webhook(
        "A carrier no longer accepts the credentials of your account. Its numbers cannot make or take calls until you replace them. "
        "Sent at most once a day per account.",
        {
            "carrier_account_id": text("1"),
            "provider": choice(["telnyx", "twilio"], "telnyx"),
            "label": text("Main account"),
        },
        at="2026-03-29T09:00:00Z",
    ),
    "country.verification.updated": Webhook(
        "Your documents were approved or rejected. Sent once to each webhook URL of your numbers, signed with the secret of "
        "`phone_number`.",
        {
            "verification_id": text("ver_0123456789abcdef"),
            "country_code": text("GB"),
            "number_type": choice(NumberType.values, "local"),
            "status": choice(Verification.Status.values, "rejected"),
            "rejection_reason": nullable(text("The utility bill is older than three months.")),
            "phone_number": nullable(text("+14155551234", "Null in events and at account endpoints.")),
        },
        at="2026-03-29T09:00:00Z",
    ),
}
