"""The API description of limits."""

from accounts import admin_keys
from bubblyphone.core.json_schema import choice, data_of, listing, money, nullable, record, shape, whole
from bubblyphone.core.schema import Operation
from calls.api.caps import CapsSerializer
from calls.charging.daily_caps import Scope

CAPS = shape(
    "Caps",
    {
        "daily_cap": nullable(money("25.00", "Daily limit in USD (UTC days) for all calls.")),
        "spent_today": money("8.04", "Cost of today's calls so far, including running calls."),
        "max_concurrent_calls": nullable(whole(20)),
        "running_calls": whole(3, "Calls in progress."),
        "max_calls_per_caller_per_hour": nullable(whole(10)),
        "ceilings": record(
            {
                "daily_cap": nullable(money("25.00", "The highest `daily_cap` you can set. Null: any, or none.")),
                "max_concurrent_calls": nullable(whole(10, "The same for `max_concurrent_calls`.")),
            }
        ),
        "currency": choice(["USD"], "USD"),
        "others": listing(
            record(
                {
                    "scope": choice([scope for scope in Scope if scope is not Scope.ACCOUNT], "phone_number"),
                    "id": whole(1, "Daily cap of the number, agent, or key."),
                    "daily_cap": money("10.00"),
                    "spent_today": money("2.11"),
                }
            ),
            "Daily caps of numbers, agents, and API keys. Set them on those objects.",
        ),
    },
    "Limits of the account. Null means no limit.",
)

OPERATIONS = {
    "Limits": {
        "GET /billing/caps": Operation("Get your limits", answer=data_of(CAPS)),
        "PUT /billing/caps": Operation(
            "Set your limits",
            "Fields you leave out keep their value; null removes a limit. Limits apply from the next call and the next second. "
            "New accounts start with a daily cap and a limit on concurrent calls, which they can lower; only support can raise them.",
            answer=data_of(CAPS),
            body=CapsSerializer,
            example={"daily_cap": "25.00", "max_concurrent_calls": 20},
            errors=admin_keys.ERRORS,
        ),
    },
}
FIELDS = {
    "daily_cap": "Daily limit on the cost of calls, in USD (UTC days). Beyond it, calls are refused and running ones end. Null: no limit.",
    "max_concurrent_calls": "Maximum number of concurrent calls. Null: no limit.",
    "max_calls_per_caller_per_hour": "Maximum number of inbound calls per hour from one caller to all of your numbers. Null: no limit.",
}
