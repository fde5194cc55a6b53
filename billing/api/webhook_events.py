"""The events about money."""

from bubblyphone.core.api.json_schema import choice, money, nullable, text, whole
from bubblyphone.core.api.webhook_schema import Webhook

PAYMENTS = {
    "billing.auto_topup.failed": Webhook(
        "An automatic top-up failed, and automatic top-ups were turned off. `reason` is the decline code, "
        "like `card_declined` or `authentication_required`.",
        {"amount": money("25.00"), "currency": text("USD", const="USD"), "reason": text("card_declined")},
        at="2026-03-27T17:20:00Z",
    ),
}
WEBHOOKS = {
    **PAYMENTS,
    "billing.cap.reached": Webhook(
        "Calls have used 50%, 80%, or 100% of a daily cap. Sent once per day (UTC) and percentage, and again after the cap changes.",
        {
            "scope": choice(["account", "phone_number", "agent", "api_key"], "account", "What the cap applies to."),
            "phone_number_id": nullable(
                text("1", "Set if the cap belongs to a phone number. The same applies to `agent_id` and `api_key_id`.")
            ),
            "agent_id": nullable(text("1"), example=None),
            "api_key_id": nullable(text("1"), example=None),
            "percent": whole(80, "50, 80, or 100."),
            "cap": money("10.00"),
            "spent": money("8.04"),
            "currency": text("USD", const="USD"),
            "day": text("2026-03-27", format="date"),
        },
        at="2026-03-27T17:20:00Z",
    ),
}
