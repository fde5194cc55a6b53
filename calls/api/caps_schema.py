"""The API description of limits."""

from bubblyphone.core.api.json_schema import data_of
from bubblyphone.core.api.openapi import Operation
from calls.api.caps import CapsSerializer
from calls.api.responses import CAPS

OPERATIONS = {
    "Limits": {
        "GET /billing/caps": Operation("Get your limits", answer=data_of(CAPS)),
        "PUT /billing/caps": Operation(
            "Set your limits",
            "Omitted fields stay unchanged; null removes a limit. New limits apply to the next call, and to running calls within a second. "
            "New accounts start with a daily cap and a limit on concurrent calls, which they can lower; only support can raise them.",
            answer=data_of(CAPS),
            body=CapsSerializer,
            example={"daily_cap": "25.00", "max_concurrent_calls": 20},
        ),
    },
}
FIELDS = {
    "daily_cap": "Daily limit on the cost of calls, in USD (UTC days). Beyond it, calls are refused and running ones end. Null: no limit.",
    "max_concurrent_calls": "Maximum number of concurrent calls. Null: no limit.",
    "max_calls_per_caller_per_hour": "Maximum number of inbound calls per hour from one caller to all of your numbers. Null: no limit.",
}
