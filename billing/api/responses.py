"""Response shapes of billing."""

from decimal import Decimal

from billing import billing_switch
from billing.api.payment_serializers import as_number
from billing.models import Card, LedgerEntry
from bubblyphone.core.api.json_schema import (
    Read,
    Schema,
    choice,
    flag,
    listing,
    moment,
    money,
    nullable,
    number,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.money import ZERO, format_money

_CURRENCY = Read(lambda row: "USD", choice(["USD"], "USD"))


def _number(amount: Decimal | None) -> float | int | None:
    """Settings of top-ups are JSON numbers."""
    return None if amount is None else as_number(amount)


def _about(entry: LedgerEntry, wanted: str) -> int | None:
    family, about = entry.about
    return about if family == wanted else None


AUTO_TOP_UP = shape(
    "AutoTopUp",
    {
        "enabled": flag("Turned off automatically if the card cannot be charged.", example=True),
        "threshold": Read(
            lambda found: _number(found.threshold),
            nullable(number(5, "The saved card is charged when the balance falls below this amount.")),
        ),
        "amount": Read(lambda found: _number(found.amount), nullable(number(25, "Amount to charge."))),
        "has_payment_method": Read(
            lambda found: Card.objects.filter(developer_id=found.developer_id).exists(),
            flag("Whether the account has a saved card. Required for automatic top-ups.", example=True),
        ),
    },
)
PAYMENT_METHOD = shape(
    "PaymentMethod",
    {
        "id": whole(1),
        "brand": text("visa", "Card brand, or the type of another payment method."),
        "last_four": text("4242"),
        "expires": nullable(text("2031-03", "Expiry month.")),
        "is_default": flag("Whether automatic top-ups charge this payment method.", example=True),
        "created_at": moment(),
    },
)
BALANCE = record(
    {
        "balance": money("24.50"),
        "held": money("0.08", "Amount on hold for running calls and number purchases."),
        "available": money("24.42", "`balance` minus `held`."),
        "currency": _CURRENCY,
        "billing": Read(
            lambda summary: None if billing_switch.is_on() else "off",
            choice(["off"], "off", "This installation meters costs and charges nobody. All amounts are zero."),
        ),
    },
    optional=["billing"],
)
TRANSACTION = shape(
    "Transaction",
    {
        "id": whole(1),
        "type": Read(
            lambda entry: "credit" if entry.amount >= ZERO else "debit", choice(["credit", "debit"], "credit")
        ),
        "kind": choice(LedgerEntry.Kind.values, "top_up", "What the transaction is for."),
        "amount": Read(
            lambda entry: format_money(abs(entry.amount)),
            money("10.00", "Always positive. `type` says whether it was added or charged."),
        ),
        "description": text("Balance top-up"),
        "call_id": Read(
            lambda entry: _about(entry, "call"), nullable(whole(42, "The call, if the transaction is for one."))
        ),
        "phone_number_id": Read(
            lambda entry: _about(entry, "number"),
            nullable(whole(7, "The phone number, if the transaction is for one.")),
        ),
        "created_at": moment(),
    },
)
_SHARE = {"calls": whole(3), "minutes": whole(6, "Billed minutes."), "cost": money("0.54")}
_TIMED = record({"cost": money("14.20"), "minutes": whole(284), "seconds": whole(16_200)})
_DAY_COSTS = {
    "type": "object",
    "additionalProperties": money("0.12"),
    "description": "Cost by category on that day, including `numbers`. Categories without cost are omitted.",
    "examples": [{"telephony": "0.34", "ai_model": "0.20"}],
}
_UNTIMED = record({"cost": money("0.00")})
USAGE = shape(
    "Usage",
    {
        "period": text("2026-03"),
        "total_calls": whole(142),
        "total_minutes": whole(284),
        "total_cost": money("25.87", "Cost of calls and numbers."),
        "phone_numbers": whole(2),
        "phone_number_cost": money("6.00"),
        "categories": record(
            {"telephony": _TIMED, "ai_model": _TIMED, "transcription": _UNTIMED, "analysis": _UNTIMED}
        ),
        "daily": listing(record({"date": text("2026-03-01", format="date"), **_SHARE, "categories": _DAY_COSTS})),
        "by_number": listing(
            record({"phone_number_id": nullable(whole(1)), "phone_number": nullable(text("+14155551234")), **_SHARE})
        ),
        "by_agent": listing(
            record({"agent_id": nullable(whole(1)), "name": nullable(text("Support Agent v1")), **_SHARE})
        ),
        "by_model": listing(record({"model": nullable(text("gemini-3.1-flash-live")), **_SHARE})),
    },
)

_MONTH: dict[str, Schema | Read] = {
    "id": Read("period.name", text("2026-03", "The month, as YYYY-MM.")),
    "start": Read("period.start", moment(example="2026-03-01T00:00:00Z")),
    "end": Read("period.end", moment("End of the month (exclusive).", "2026-04-01T00:00:00Z")),
    "final": Read("is_final", flag("True once the month is over and the statement no longer changes.", example=True)),
}
MONTH = record(_MONTH)
_LINES: dict[str, Schema | Read] = {
    "kind": choice(LedgerEntry.Kind.values, "telephony"),
    "count": whole(142),
    "amount": money("-14.20", "Effect on the balance. Negative for charges."),
}
STATEMENT = shape(
    "Statement",
    {
        **_MONTH,
        "opening_balance": Read("opening", money("10.00")),
        "entries": Read("lines", listing(record(_LINES))),
        "credits": money("20.00", "Total of all credits."),
        "charges": money("14.20", "Total of all charges, as a positive amount."),
        "closing_balance": Read("closing", money("15.80")),
        "currency": _CURRENCY,
    },
)
# With billing off.
METERED_STATEMENT = record(
    {
        **_MONTH,
        "entries": Read("lines", listing(record(_LINES | {"amount": money("-14.20", "Costs are negative.")}))),
        "charges": money("14.20", "Total cost, as a positive amount."),
        "currency": _CURRENCY,
    }
)
