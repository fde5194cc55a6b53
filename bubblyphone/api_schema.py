"""What each app says about its part of the API, put together (bubblyphone.core.schema.DESCRIPTION)."""

from accounts.api import schema as accounts
from agents.api import schema as agents
from billing.api import schema as billing
from billing.api import webhooks as billing_webhooks
from bubblyphone.core import schema as core
from bubblyphone.core.json_schema import free_object
from calls.api import schema as calls
from calls.api import webhooks as call_webhooks
from phone_numbers.api import schema as phone_numbers
from phone_numbers.api import webhooks as number_webhooks
from sandbox.api import schema as sandbox
from webhooks.api import schema as webhooks

_PARTS = (accounts, webhooks, agents, phone_numbers, calls, sandbox, billing)
_OWN = {
    "API description": {
        "GET /schema": core.Operation(
            "Show this description", "OpenAPI 3.1.", answer=free_object({"openapi": "3.1.0"})
        ),
    },
}

DESCRIPTION = core.Description(
    operations={tag: group for part in _PARTS for tag, group in part.OPERATIONS.items()} | _OWN,
    fields={name: text for part in _PARTS for name, text in part.FIELDS.items()},
    path_examples={**phone_numbers.PATH_EXAMPLES, **calls.PATH_EXAMPLES, **billing.PATH_EXAMPLES},
    webhooks={**call_webhooks.WEBHOOKS, **number_webhooks.WEBHOOKS, **billing_webhooks.WEBHOOKS},
)
