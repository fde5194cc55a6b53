"""What the API's description says about money."""

from billing.api import payment_schema
from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.api.statements import FormatQuerySerializer
from billing.models import LedgerEntry
from bubblyphone.core.schema import Operation
from bubblyphone.core.shapes import (
    choice,
    data_of,
    flag,
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
        "held": money("0.08", "Set aside for calls and for numbers that are being bought."),
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
        "call_id": nullable(whole(42, "The call that it was charged for.")),
        "phone_number_id": nullable(whole(7, "The number that it was charged for.")),
        "created_at": moment(),
    },
)
_SHARE = {"calls": whole(3), "minutes": whole(6, "Started ones."), "cost": money("0.54")}
_TIMED = record({"cost": money("14.20"), "minutes": whole(284), "seconds": whole(16_200)})
_DAY_COSTS = {
    "type": "object",
    "additionalProperties": money("0.12"),
    "description": "What each category and `numbers` cost on the day; what cost nothing is left out.",
    "examples": [{"telephony": "0.34", "ai_model": "0.20"}],
}
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

_MONTH = {
    "id": text("2026-03", "The month."),
    "start": moment(example="2026-03-01T00:00:00Z"),
    "end": moment("The first moment after it.", "2026-04-01T00:00:00Z"),
    "final": flag("The month is over: nothing will change.", example=True),
}
STATEMENT = shape(
    "Statement",
    {
        **_MONTH,
        "opening_balance": money("10.00"),
        "entries": listing(
            record(
                {
                    "kind": choice(LedgerEntry.Kind.values, "telephony"),
                    "count": whole(142),
                    "amount": money("-14.20", "What they added to the balance."),
                }
            )
        ),
        "credits": money("20.00", "All that came in."),
        "charges": money("14.20", "All that went out, as a positive amount."),
        "closing_balance": money("15.80"),
        "currency": choice(["USD"], "USD"),
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
        "GET /billing/statements": Operation(
            "List monthly statements",
            "From the first month with a movement to the current one, newest first. A whole list, not paged.",
            answer=data_of(listing(record(_MONTH))),
        ),
        "GET /billing/statements/{id}": Operation(
            "Show a month's statement",
            "As a file: `?format=pdf` with a summary, `?format=csv` with every movement and the balance after it.",
            answer=data_of(STATEMENT),
            query=FormatQuerySerializer,
            also={"application/pdf": "%PDF-1.3", "text/csv": "created_at,kind,description,amount,balance,currency\r\n"},
        ),
        "GET /billing/usage": Operation(
            "Show a month's usage", "Summed up from the ledger.", answer=data_of(USAGE), query=UsageQuerySerializer
        ),
        **payment_schema.OPERATIONS,
    },
}
PATH_EXAMPLES = {"billing/statements {id}": "2026-03"}
FIELDS = {
    **payment_schema.FIELDS,
    "billing/statements {id}": "A month, like 2026-03.",
    "FormatQuerySerializer.format": "`pdf` or `csv` for a file.",
    "TransactionsQuerySerializer.type": "Credits or debits alone.",
    "TransactionsQuerySerializer.kind": "Movements of one kind alone.",
    "TransactionsQuerySerializer.from": "First day (UTC).",
    "TransactionsQuerySerializer.to": "Last day (UTC).",
    "TransactionsQuerySerializer.format": "`csv` for a file.",
}
