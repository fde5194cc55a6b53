"""The API description of limits."""

from accounts import admin_keys
from bubblyphone.core.json_schema import choice, data_of, listing, money, nullable, record, shape, whole
from bubblyphone.core.schema import Operation
from calls.api.caps import CapsSerializer
from calls.charging.daily_caps import Scope

CAPS = shape(
    "Caps",
    {
        "daily_cap": nullable(money("25.00", "USD a day (UTC), for all calls.")),
        "spent_today": money("8.04", "What the day's calls cost so far, running ones included."),
        "max_concurrent_calls": nullable(whole(20)),
        "running_calls": whole(3, "That are not over yet."),
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
                    "id": whole(1, "The number's, agent's or key's."),
                    "daily_cap": money("10.00"),
                    "spent_today": money("2.11"),
                }
            ),
            "The daily caps of numbers, agents and API keys, which are set there.",
        ),
    },
    "Limits of an account. Null: no limit.",
)

OPERATIONS = {
    "Limits": {
        "GET /billing/caps": Operation("Show your limits", answer=data_of(CAPS)),
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
    "daily_cap": "The most that calls may cost in a day (UTC), in USD; then no call starts and running ones end. Null: no limit.",
    "max_concurrent_calls": "How many calls may run at the same time. Null: no limit.",
    "max_calls_per_caller_per_hour": "How often one caller gets through within an hour, to any of your numbers. Null: no limit.",
}
