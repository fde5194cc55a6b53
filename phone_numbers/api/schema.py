"""The API description of numbers."""

from accounts.admin_keys import CAP_ERRORS
from agents.api.schema import SETTINGS
from bubblyphone.core.json_schema import (
    choice,
    data_of,
    data_with_warnings,
    extended,
    free_object,
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
from phone_numbers.api.countries import NumberTypeQuery
from phone_numbers.api.serializers import NumberPurchaseSerializer, NumberSearchSerializer, PricingQuerySerializer
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.models import CallMode, NumberType, PhoneNumber, Verification

_CURRENCY = choice(["USD"], "USD")
_COST = {"setup_cost": money("3.00"), "monthly_cost": money("3.00"), "currency": _CURRENCY}
NUMBER = shape(
    "PhoneNumber",
    {
        "id": whole(1),
        "phone_number": text("+14155551234"),
        "country_code": text("US"),
        "number_type": choice(NumberType.values, "local"),
        "label": nullable(text("Support")),
        "status": choice(PhoneNumber.Status.values, "active"),
        "monthly_cost": money("3.00"),
        "mode": choice(CallMode.values, "webhook"),
        "webhook_url": nullable(text("https://your-app.com/webhook")),
        "agent_id": nullable(whole(1)),
        "model": nullable(text("gemini-3.1-flash-live")),
        **SETTINGS,
        "max_call_duration": whole(3600, "Seconds."),
        "silence_timeout": whole(30, "Seconds."),
        "daily_cap": nullable(money("10.00", "USD a day (UTC), for all calls of the number.")),
        "max_concurrent_calls": nullable(whole(10)),
        "created_at": moment(),
        "renews_at": moment("The first moment that is not paid for.", "2026-05-05T12:00:00Z"),
    },
    "A number with settings of its own. A linked agent's settings take precedence; null leaves it to the agent or the "
    "default. The two time limits show the default where the number has none.",
)
NUMBER_DETAIL = shape(
    "PhoneNumberWithConfig",
    extended(
        NUMBER,
        {
            "config": free_object(
                {"voice": {"value": "Kore", "source": "number_agent"}},
                "What an incoming call would use: each setting's value, and whether it comes from the linked agent "
                "(`number_agent`), the number (`number`) or the `default`.",
            )
        },
    ),
)
BOUGHT_NUMBER = shape(
    "PhoneNumberWithSecret",
    extended(
        NUMBER_DETAIL,
        {"webhook_secret": text("whsec_abc123…", "Signs the number's webhooks. Shown in this answer alone.")},
    ),
)
AVAILABLE_NUMBER = shape(
    "AvailableNumber",
    {
        "phone_number": text("+14155550100"),
        "phone_number_type": text("local"),
        "features": listing({"type": "object"}, example=[{"name": "voice"}, {"name": "sms"}]),
        "cost_information": {
            "type": "object",
            "description": "What the carrier asks of us.",
            "examples": [{"upfront_cost": "1.00000", "monthly_cost": "1.00000", "currency": "USD"}],
        },
        "region_information": listing(
            {"type": "object"}, example=[{"region_type": "rate_center", "region_name": "SAN FRANCISCO"}]
        ),
    },
)
PRICE = shape("NumberPrice", {"country_code": text("US"), "number_type": choice(NumberType.values, "local"), **_COST})
_KIND = {"country_code": text("GB"), "number_type": choice(NumberType.values, "local")}
_STATUS = choice(["not_required", "unverified", *Verification.Status.values], "pending")
COUNTRY = shape(
    "Country",
    {
        "country_code": text("GB"),
        "country_name": text("United Kingdom"),
        "number_type": choice(NumberType.values, "local"),
        "status": _STATUS,
    },
)
REQUIREMENT = shape(
    "Requirement",
    {
        "id": text("2708e569-696a-4fc7-9305-5fdb3eb9c7dd"),
        "name": text("Proof of Address (Local)"),
        "type": choice(["textual", "document", "address"], "document"),
        "description": text("Proof of residence such as utility bill"),
        "example": text("Utility bill dated within 3 months"),
        "time_limit": nullable(text("Less than 3 months old")),
    },
)
SUBMISSION = shape("Submission", {"id": text("ver_abc123"), **_KIND, "status": _STATUS, "created_at": moment()})
VERIFICATION = shape(
    "Verification",
    {
        **_KIND,
        "status": _STATUS,
        "submitted_at": nullable(moment()),
        "reviewed_at": nullable(moment(), example=None),
        "rejection_reason": text("The bill is older than three months.", "With a rejection alone."),
    },
    optional=["rejection_reason"],
)
FORM = {
    **record(
        {
            "number_type": choice(NumberType.values, "local", "The kind of number."),
            "documents[0][type]": text("6d3e2643-…", "A requirement's id; further ones as `documents[1]…`."),
            "documents[0][file]": {"type": "string", "format": "binary", "description": "PDF, PNG or JPEG, to 10 MiB."},
            "documents[0][value]": text("Jane Doe", "Instead of a file, where the requirement is a text."),
        }
    ),
    "required": ["number_type", "documents[0][type]"],
    "additionalProperties": True,
}
_AT_CARRIER = "The carrier refused or could not be reached; nothing was charged."
_ASKED = "The carrier could not be asked."

OPERATIONS = {
    "Phone numbers": {
        "GET /phone-numbers/available": Operation(
            "Search available numbers",
            "Numbers that can be bought now, and what one costs here. A whole list, not paged.",
            answer=record({"data": listing(AVAILABLE_NUMBER), "pricing": record(_COST)}),
            query=NumberSearchSerializer,
            errors={502: "The carrier refused or could not be reached."},
        ),
        "POST /phone-numbers": Operation(
            "Buy a number",
            "Setup fee and first month are taken from the balance. The answer is the only one with `webhook_secret`.",
            answer=data_of(BOUGHT_NUMBER),
            status=201,
            body=NumberPurchaseSerializer,
            example={
                "phone_number": "+14155551234",
                "webhook_url": "https://your-app.com/webhook",
                "label": "Support",
            },
            errors={
                402: "The balance does not cover the setup fee and the first month.",
                403: "You are not verified for numbers of this kind in this country.",
                409: "Somebody has the number already.",
                502: _AT_CARRIER,
            },
        ),
        "GET /phone-numbers": Operation("List your numbers", "Newest first.", answer=page_of(NUMBER)),
        "GET /phone-numbers/{id}": Operation("Show a number", answer=data_of(NUMBER_DETAIL)),
        "PATCH /phone-numbers/{id}": Operation(
            "Update a number",
            "What is not named stays; null clears. Mode `streaming` needs a `system_prompt` or a linked agent with one.",
            answer=data_with_warnings(NUMBER_DETAIL),
            body=NumberUpdateSerializer,
            example={
                "mode": "streaming",
                "model": "gemini-3.1-flash-live",
                "system_prompt": "You are a helpful receptionist for Acme Corp...",
                "voice": "Kore",
                "tools": [
                    {
                        "name": "check_availability",
                        "description": "Check calendar availability",
                        "parameters": {"date": "string"},
                    }
                ],
                "tool_webhook_url": "https://yourapp.com/tools",
                "silence_timeout": 20,
            },
            errors=CAP_ERRORS,
        ),
        "DELETE /phone-numbers/{id}": Operation(
            "Release a number",
            "It is given back for good.",
            status=204,
            errors={409: "Calls are running on this number.", 502: _AT_CARRIER},
        ),
        "POST /phone-numbers/{id}/rotate-secret": Operation(
            "Rotate the webhook secret",
            "For 24 hours webhooks carry the signatures of both secrets.",
            answer=data_of(BOUGHT_NUMBER),
        ),
        "GET /number-pricing": Operation(
            "List prices of numbers",
            "A whole list, not paged.",
            answer=data_of(listing(PRICE)),
            query=PricingQuerySerializer,
        ),
    },
    "Countries": {
        "GET /countries": Operation(
            "List countries",
            "Each kind of number on sale, and whether you may buy it. A whole list, not paged.",
            answer=data_of(listing(COUNTRY)),
            errors={502: _ASKED},
        ),
        "GET /countries/{code}/requirements": Operation(
            "Show what a country requires",
            answer=data_of(listing(REQUIREMENT)),
            query=NumberTypeQuery,
            errors={502: _ASKED},
        ),
        "POST /countries/{code}/verify": Operation(
            "Hand in documents",
            "As multipart/form-data. Our staff look at them; the outcome comes as `country.verification.updated`.",
            answer=data_of(SUBMISSION),
            status=201,
            body=FORM,
            example={
                "number_type": "local",
                "documents[0][type]": "6d3e2643-…",
                "documents[0][file]": "@/path/to/utility-bill.pdf",
            },
            errors={409: "Documents are under review, approved, or not needed.", 502: _ASKED},
        ),
        "GET /countries/{code}/verification": Operation(
            "Show your verification", answer=data_of(VERIFICATION), query=NumberTypeQuery, errors={502: _ASKED}
        ),
    },
}
PATH_EXAMPLES = {"countries {code}": "GB"}
FIELDS = {
    "phone_number": "E.164, like +14155551234.",
    "webhook_url": "Where the number's call events are sent.",
    "NumberPurchaseSerializer.label": "A name for the number.",
    "NumberUpdateSerializer.label": "A name for the number.",
    "country_code": "Two letters. Default: US.",
    "countries {code}": "Two letters, like GB.",
    "country": "Two letters, like US.",
    "number_type": "The kind of number.",
    "area_code": "Digits right after the country code.",
    "locality": "City, like San Francisco.",
    "contains": "Digits that the number must contain.",
    "limit": "How many at most.",
    "mode": "`webhook`: your server says what is spoken. `streaming`: an AI model talks.",
    "agent_id": "An agent of yours; null unlinks.",
    "model": "A model of `GET /models`.",
}
