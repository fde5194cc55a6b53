"""What each app says about its part of the API, put together (bubblyphone.core.api.openapi.DESCRIPTION)."""

from dataclasses import replace
from typing import Any

from accounts.api import schema as accounts
from agents.api import schema as agents
from billing.api import schema as billing
from billing.api import webhook_events as billing_webhooks
from billing.api.payment_schema import OPERATIONS as PAYMENTS
from billing.api.responses import METERED_STATEMENT
from billing.billing_switch import is_on
from bubblyphone.core.api import openapi as core
from bubblyphone.core.api.json_schema import data_of, free_object
from calls.api import schema as calls
from calls.api import webhook_events as call_webhooks
from phone_numbers.api import schema as phone_numbers
from phone_numbers.api import webhook_events as number_webhooks
from sandbox.api import schema as sandbox
from webhooks.api import schema as webhooks
from webhooks.api import webhook_events as endpoint_webhooks

_PARTS = (accounts, webhooks, agents, phone_numbers, calls, sandbox, billing)
_OWN = {
    "API description": {
        "GET /schema": core.Operation(
            "Show this description", "OpenAPI 3.1.", answer=free_object({"openapi": "3.1.0"})
        ),
    },
}

_WHOLE = core.Description(
    operations={tag: group for part in _PARTS for tag, group in part.OPERATIONS.items()} | _OWN,
    fields={name: text for part in _PARTS for name, text in part.FIELDS.items()},
    path_examples={**phone_numbers.PATH_EXAMPLES, **calls.PATH_EXAMPLES, **billing.PATH_EXAMPLES},
    webhooks={
        **call_webhooks.WEBHOOKS,
        **number_webhooks.WEBHOOKS,
        **billing_webhooks.WEBHOOKS,
        **endpoint_webhooks.WEBHOOKS,
    },
)

# With billing off (billing.billing_switch) nobody pays: what other operations say instead.
_LIMIT_REACHED = {402: "One of your limits is reached (see `reason`)."}
_INSTEAD: dict[str, dict[str, Any]] = {
    "POST /phone-numbers": {"description": "`webhook_secret` is returned only in this response."},
    "POST /sandbox/calls": {"description": "Talk to a number's agent over a WebSocket, without a phone."},
    "GET /billing/statements": {
        "description": "One per month, from the first cost to the current month. Newest first. Not paginated."
    },
    "GET /billing/statements/{id}": {
        "description": "For a file, use `?format=pdf` (summary) or `?format=csv` (every cost).",
        "answer": data_of(METERED_STATEMENT),
    },
}
_ERRORS: dict[str, dict[int, str]] = {
    "POST /phone-numbers": {},
    "POST /calls": _LIMIT_REACHED,
    "POST /calls/{id}/transfer": _LIMIT_REACHED,
    "POST /sandbox/calls": _LIMIT_REACHED,
}


def describe() -> core.Description:
    """All of it; with billing off without what is closed then."""
    return _WHOLE if is_on() else _without_billing()


def _without_billing() -> core.Description:
    operations = {
        tag: {key: _unpaid(key, operation) for key, operation in group.items() if key not in PAYMENTS}
        for tag, group in _WHOLE.operations.items()
    }
    events = {**billing_webhooks.PAYMENTS, **number_webhooks.RENEWALS}
    webhooks = {event: webhook for event, webhook in _WHOLE.webhooks.items() if event not in events}
    return replace(_WHOLE, operations=operations, webhooks=webhooks)


def _unpaid(key: str, operation: core.Operation) -> core.Operation:
    """As it is where nobody pays."""
    if key in _ERRORS:
        others = {status: why for status, why in operation.errors.items() if status != 402}
        operation = replace(operation, errors={**others, **_ERRORS[key]})
    return replace(operation, **_INSTEAD.get(key, {}))
