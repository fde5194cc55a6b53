"""What the API's description says about money."""

from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.models import LedgerEntry
from bubblyphone.core.schema import Operation
from bubblyphone.core.shapes import (
    choice,
    data_of,
    listing,
    moment,
    money,
    nullable,
    page_of,
    record,
    shape,
    text,
    whole,
)

BALANCE = record(
    {
        "balance": money("24.50"),
        "held": money("0.08", "What running calls have come to so far."),
        "available": money("24.42", "What can still be spent."),
        "currency": choice(["USD"], "USD"),
    }
)
TRANSACTION = shape(
    "Transaction",
    {
        "id": whole(1),
        "type": choice(["credit", "debit"], "credit"),
        "kind": choice(LedgerEntry.Kind.values, "top_up", "What it is for."),
        "amount": money("10.00", "Positive either way; `type` says which."),
        "description": text("Balance top-up"),
        "created_at": moment(),
    },
)
_SHARE = {"calls": whole(3), "minutes": whole(6, "Started ones."), "cost": money("0.54")}
_TIMED = record({"cost": money("14.20"), "minutes": whole(284), "seconds": whole(16_200)})
_UNTIMED = record({"cost": money("0.00")})
USAGE = shape(
    "Usage",
    {
        "period": text("2026-03"),
        "total_calls": whole(142),
        "total_minutes": whole(284),
        "total_cost": money("25.87", "Calls and numbers together."),
        "phone_numbers": whole(2),
        "phone_number_cost": money("6.00"),
        "categories": record(
            {"telephony": _TIMED, "ai_model": _TIMED, "transcription": _UNTIMED, "analysis": _UNTIMED}
        ),
        "daily": listing(record({"date": text("2026-03-01", format="date"), **_SHARE})),
        "by_number": listing(
            record({"phone_number_id": nullable(whole(1)), "phone_number": nullable(text("+14155551234")), **_SHARE})
        ),
        "by_agent": listing(
            record({"agent_id": nullable(whole(1)), "name": nullable(text("Support Agent v1")), **_SHARE})
        ),
        "by_model": listing(record({"model": nullable(text("gemini-3.1-flash-live")), **_SHARE})),
    },
)

OPERATIONS = {
    "Billing": {
        "GET /billing/balance": Operation("Show your balance", answer=data_of(BALANCE)),
        "GET /billing/transactions": Operation(
            "List transactions",
            "Newest first. As a CSV file, with all that was asked for at once: `?format=csv`, or `Accept: text/csv`.",
            answer=page_of(TRANSACTION),
            query=TransactionsQuerySerializer,
            also={"text/csv": "id,created_at,type,kind,amount,currency,description\r\n"},
        ),
        "GET /billing/usage": Operation(
            "Show a month's usage", "Summed up from the ledger.", answer=data_of(USAGE), query=UsageQuerySerializer
        ),
    },
}
FIELDS = {
    "TransactionsQuerySerializer.type": "Credits or debits alone.",
    "TransactionsQuerySerializer.kind": "Movements of one kind alone.",
    "TransactionsQuerySerializer.from": "First day (UTC).",
    "TransactionsQuerySerializer.to": "Last day (UTC).",
    "TransactionsQuerySerializer.format": "`csv` for a file.",
}
