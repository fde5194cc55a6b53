"""The events about money."""

from bubblyphone.core.shapes import choice, money, nullable, text, whole
from bubblyphone.core.webhook_schema import Webhook

WEBHOOKS = {
    "billing.auto_topup.failed": Webhook(
        "The saved card could not be charged; automatic top-ups are switched off. `reason` is the card network's, "
        "like `card_declined`, or `authentication_required`.",
        {"amount": money("25.00"), "currency": text("USD", const="USD"), "reason": text("card_declined")},
        at="2026-03-27T17:20:00Z",
    ),
    "billing.cap.reached": Webhook(
        "The calls of a day (UTC) have cost that part of a daily cap. Once a day for each part, and anew when the cap was changed.",
        {
            "scope": choice(["account", "phone_number", "agent", "api_key"], "account", "Whose cap it is."),
            "phone_number_id": nullable(text("1", "The number, agent or key whose cap it is; null: not one of those.")),
            "agent_id": nullable(text("1"), example=None),
            "api_key_id": nullable(text("1"), example=None),
            "percent": whole(80, "50, 80 or 100."),
            "cap": money("10.00"),
            "spent": money("8.04"),
            "currency": text("USD", const="USD"),
            "day": text("2026-03-27", format="date"),
        },
        at="2026-03-27T17:20:00Z",
    ),
}
