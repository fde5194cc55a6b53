"""What the API's description says about money."""

from billing.api import payment_schema
from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.api.statements import FormatQuerySerializer
from billing.models import LedgerEntry
from bubblyphone.core.json_schema import (
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
from bubblyphone.core.schema import Operation

BALANCE = record(
    {
        "balance": money("24.50"),
        "held": money("0.08", "Amount on hold for running calls and number purchases."),
        "available": money("24.42", "`balance` minus `held`."),
        "currency": choice(["USD"], "USD"),
    }
)
TRANSACTION = shape(
    "Transaction",
    {
        "id": whole(1),
        "type": choice(["credit", "debit"], "credit"),
        "kind": choice(LedgerEntry.Kind.values, "top_up", "What the transaction is for."),
        "amount": money("10.00", "Always positive. `type` says whether it was added or charged."),
        "description": text("Balance top-up"),
        "call_id": nullable(whole(42, "The call, if the transaction is for one.")),
        "phone_number_id": nullable(whole(7, "The phone number, if the transaction is for one.")),
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

_MONTH = {
    "id": text("2026-03", "The month, as YYYY-MM."),
    "start": moment(example="2026-03-01T00:00:00Z"),
    "end": moment("End of the month (exclusive).", "2026-04-01T00:00:00Z"),
    "final": flag("True once the month is over and the statement no longer changes.", example=True),
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
                    "amount": money("-14.20", "Effect on the balance. Negative for charges."),
                }
            )
        ),
        "credits": money("20.00", "Total of all credits."),
        "charges": money("14.20", "Total of all charges, as a positive amount."),
        "closing_balance": money("15.80"),
        "currency": choice(["USD"], "USD"),
    },
)

OPERATIONS = {
    "Billing": {
        "GET /billing/balance": Operation("Get your balance", answer=data_of(BALANCE)),
        "GET /billing/transactions": Operation(
            "List transactions",
            "Newest first. For a CSV file with all matching transactions, use `?format=csv` or `Accept: text/csv`.",
            answer=page_of(TRANSACTION),
            query=TransactionsQuerySerializer,
            also={"text/csv": "id,created_at,type,kind,amount,currency,description\r\n"},
        ),
        "GET /billing/statements": Operation(
            "List monthly statements",
            "One per month, from the first transaction to the current month. Newest first. Not paginated.",
            answer=data_of(listing(record(_MONTH))),
        ),
        "GET /billing/statements/{id}": Operation(
            "Get a monthly statement",
            "For a file, use `?format=pdf` (summary) or `?format=csv` (every transaction with the balance after it).",
            answer=data_of(STATEMENT),
            query=FormatQuerySerializer,
            also={"application/pdf": "%PDF-1.3", "text/csv": "created_at,kind,description,amount,balance,currency\r\n"},
        ),
        "GET /billing/usage": Operation(
            "Get monthly usage",
            "Cost, calls, and minutes of a month, by category, day, number, agent, and model.",
            answer=data_of(USAGE),
            query=UsageQuerySerializer,
        ),
        **payment_schema.OPERATIONS,
    },
}
PATH_EXAMPLES = {"billing/statements {id}": "2026-03"}
FIELDS = {
    **payment_schema.FIELDS,
    "billing/statements {id}": "Month as YYYY-MM.",
    "FormatQuerySerializer.format": "`pdf` or `csv` to download a file.",
    "TransactionsQuerySerializer.type": "Only credits or only debits.",
    "TransactionsQuerySerializer.kind": "Only transactions of this kind.",
    "TransactionsQuerySerializer.from": "First day (UTC).",
    "TransactionsQuerySerializer.to": "Last day (UTC).",
    "TransactionsQuerySerializer.format": "`csv` to download a file.",
}
