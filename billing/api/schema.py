"""The API description of billing."""

from billing.api import payment_schema
from billing.api.responses import BALANCE, MONTH, STATEMENT, TRANSACTION, USAGE
from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.api.statements import FormatQuerySerializer
from bubblyphone.core.api.json_schema import data_of, listing, page_of
from bubblyphone.core.api.openapi import Operation

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
            answer=data_of(listing(MONTH)),
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
