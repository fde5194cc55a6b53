"""The API description of the policy and the do-not-call list."""

from bubblyphone.core.api.json_schema import data_of, page_of
from bubblyphone.core.api.openapi import Operation
from calls.api.policy import DoNotCallFilters, DoNotCallSerializer, PolicySerializer
from calls.api.policy_responses import DO_NOT_CALL, IMPORTED, POLICY

_FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary", "description": "CSV with a column `phone_number`."}},
    "required": ["file"],
}
OPERATIONS = {
    "Policy": {
        "GET /policy": Operation("Get your policy", answer=data_of(POLICY)),
        "PUT /policy": Operation(
            "Set your policy",
            "Omitted fields stay unchanged; null removes a rule. The policy applies to calls and all transfers. Hours and "
            "attempts do not apply to transfers to a configured `transfer_number`, or to your own numbers.",
            answer=data_of(POLICY),
            body=PolicySerializer,
            example={
                "allowed_countries": ["US", "GB"],
                "calling_hours": {"start": "09:00", "end": "20:00", "days": ["mon", "tue", "wed", "thu", "fri"]},
                "max_calls_per_number_per_day": 3,
            },
        ),
        "GET /do-not-call": Operation(
            "List your do-not-call numbers",
            "Newest first. With `format=csv`, all of them as a file.",
            answer=page_of(DO_NOT_CALL),
            query=DoNotCallFilters,
            also={"text/csv": "phone_number,reason,source,created_at\n+12025551234,,api,2026-04-05T12:00:00Z\n"},
        ),
        "POST /do-not-call": Operation(
            "Add a do-not-call number",
            "Calls and transfers to it are refused with `reason` `do_not_call`. A number that is listed already stays as it is.",
            answer=data_of(DO_NOT_CALL),
            status=201,
            body=DoNotCallSerializer,
            example={"phone_number": "+12025551234", "reason": "Asked not to be called again."},
        ),
        "POST /do-not-call/import": Operation(
            "Import do-not-call numbers",
            "CSV with a column `phone_number` and optionally `reason`, as the body (`text/csv`, up to 1 MiB) or as `file` in a "
            "multipart form (up to 10 MiB). If a row is invalid, nothing is imported.",
            answer=data_of(IMPORTED),
            body=_FILE,
            example={"file": "(binary)"},
        ),
        "DELETE /do-not-call/{id}": Operation("Remove a do-not-call number", status=204),
    },
}
FIELDS = {
    "allowed_countries": "ISO codes of the countries that can be called. Null: all that have a rate.",
    "calling_hours": "When numbers can be called, in every time zone where they could ring. Null: any time.",
    "start": "Time of day, like `09:00`.",
    "end": "Time of day, like `20:00`. An end before the start is on the next day.",
    "days": "Days on which the hours start: `mon` to `sun`. All days if omitted.",
    "max_calls_per_number_per_day": "Maximum number of dialed attempts per number in any 24 hours. Null: no limit.",
    "DoNotCallSerializer.phone_number": "An E.164 number.",
    "DoNotCallSerializer.reason": "Why, for your records.",
    "DoNotCallFilters.phone_number": "Only this number.",
    "DoNotCallFilters.format": "`csv` returns all numbers as a file.",
}
