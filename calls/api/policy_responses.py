"""Response shapes of the policy and the do-not-call list."""

from bubblyphone.core.api.json_schema import choice, listing, moment, nullable, record, shape, text, whole
from calls.models import DoNotCallNumber
from calls.policy.calling_hours import DAYS

_HOURS = record(
    {
        "start": text("09:00"),
        "end": text("20:00", "An end before the start is on the next day."),
        "days": listing(choice(DAYS, "mon"), "Days on which the hours start.", ["mon", "tue"]),
    }
)
POLICY = shape(
    "Policy",
    {
        "allowed_countries": nullable(
            listing(
                text("US"), "ISO codes of the countries that can be called. Null: all that have a rate.", ["US", "GB"]
            )
        ),
        "calling_hours": nullable(
            {**_HOURS, "description": "In every time zone where the called number could ring. Null: any."}
        ),
        "max_calls_per_number_per_day": nullable(
            whole(3, "In any 24 hours; every dialed attempt counts. Null: no limit.")
        ),
    },
    "Rules for outbound calls and transfers.",
)
DO_NOT_CALL = shape(
    "DoNotCallNumber",
    {
        "id": whole(5),
        "phone_number": text("+12025551234"),
        "reason": nullable(text("Asked not to be called again.")),
        "source": choice(DoNotCallNumber.Source.values, "api", "`agent`: added by the `add_to_do_not_call` tool."),
        "created_at": moment(),
    },
)
IMPORTED = record(
    {"added": whole(120), "already_listed": whole(3, "Numbers of the file that were on the list before.")}
)
