"""Response shapes of numbers, prices and verifications."""

from agents.agent_settings.call_config import CallConfig
from agents.agent_settings.resolution import resolve
from agents.api.responses import SETTING_SCHEMAS
from bubblyphone.core.api.json_schema import (
    Read,
    Schema,
    choice,
    free_object,
    listing,
    moment,
    money,
    nullable,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.api.views import format_time
from phone_numbers.carriers.registry import account_id_of, slug_of
from phone_numbers.countries import NumberEligibility
from phone_numbers.models import CallMode, NumberType, PhoneNumber, Verification

CURRENCY = "USD"
_DEFAULTS = CallConfig()
_COST: dict[str, Schema | Read] = {
    "setup_cost": money("3.00"),
    "monthly_cost": money("3.00"),
    "currency": Read(lambda price: CURRENCY, choice([CURRENCY], CURRENCY)),
}
COST = record(_COST)
NUMBER = shape(
    "PhoneNumber",
    {
        "id": whole(1),
        "phone_number": Read("e164", text("+14155551234")),
        "country_code": text("US"),
        "number_type": choice(NumberType.values, "local"),
        "label": nullable(text("Support")),
        "status": choice(PhoneNumber.Status.values, "active"),
        "monthly_cost": money("3.00"),
        "carrier": Read(
            lambda number: slug_of(number.carrier),
            text("telnyx", "Carrier of the number: `telnyx`, `twilio`, or `exchange` (the built-in one)."),
        ),
        "carrier_account_id": Read(
            lambda number: account_id_of(number.carrier),
            nullable(whole(1, "Your carrier account that the number belongs to. Null: ours."), example=None),
        ),
        "source": choice(PhoneNumber.Source.values, "purchased"),
        "mode": choice(CallMode.values, "webhook"),
        "webhook_url": nullable(text("https://your-app.com/webhook")),
        "agent_id": nullable(whole(1)),
        "agent_version": Read(
            lambda number: number.agent_version.number if number.agent_version else None,
            nullable(whole(3, "Version of the agent that answers. Null: the live one."), example=None),
        ),
        "model": Read("model_slug", nullable(text("gemini-3.1-flash-live"))),
        **SETTING_SCHEMAS,
        "max_call_duration": Read(
            lambda number: number.max_call_duration or _DEFAULTS.max_call_duration, whole(3600, "In seconds.")
        ),
        "silence_timeout": Read(
            lambda number: number.silence_timeout or _DEFAULTS.silence_timeout, whole(30, "In seconds.")
        ),
        "daily_cap": nullable(money("10.00", "Daily limit in USD (UTC days) for all calls of the number.")),
        "max_concurrent_calls": nullable(whole(10)),
        "created_at": moment(),
        "renews_at": moment("When the number's next month begins.", "2026-05-05T12:00:00Z"),
    },
    "A phone number and its own settings. A linked agent's settings take precedence. Null means that the agent or the "
    "default decides. `max_call_duration` and `silence_timeout` show the default if the number has no value.",
)
NUMBER_DETAIL = shape(
    "PhoneNumberWithConfig",
    {
        **NUMBER.properties,
        "config": Read(
            lambda number: resolve(request={}, request_agent=None, number=number).to_json(),
            free_object(
                {"voice": {"value": "Kore", "source": "number_agent"}},
                "The settings an incoming call would use. `source` says where each value comes from: the linked agent "
                "(`number_agent`), the number (`number`), or the `default`.",
            ),
        ),
    },
)
BOUGHT_NUMBER = shape(
    "PhoneNumberWithSecret",
    {
        **NUMBER_DETAIL.properties,
        "webhook_secret": text(
            "whsec_abc123…", "Secret that signs the number's webhooks. Returned only in this response."
        ),
    },
)
AVAILABLE_NUMBER = shape(
    "AvailableNumber",
    {
        "phone_number": text("+14155550100"),
        "phone_number_type": text("local"),
        "features": listing({"type": "object"}, example=[{"name": "voice"}, {"name": "sms"}]),
        "cost_information": {
            "type": "object",
            "description": "The carrier's wholesale cost.",
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
SUBMISSION = shape(
    "Submission",
    {
        "id": Read("public_id", text("ver_abc123")),
        **_KIND,
        "status": _STATUS,
        "created_at": Read("submitted_at", moment()),
    },
)


def _of_newest(kind: NumberEligibility, name: str) -> str | None:
    return format_time(getattr(kind.verification, name)) if kind.verification else None


VERIFICATION = shape(
    "Verification",
    {
        **_KIND,
        "status": _STATUS,
        "submitted_at": Read(lambda kind: _of_newest(kind, "submitted_at"), nullable(moment())),
        "reviewed_at": Read(lambda kind: _of_newest(kind, "reviewed_at"), nullable(moment(), example=None)),
        "rejection_reason": Read(
            lambda kind: kind.verification.rejection_reason if kind.status == Verification.Status.REJECTED else None,
            text("The bill is older than three months.", "Present if the verification was rejected."),
        ),
    },
    optional=["rejection_reason"],
)
CARRIER_ACCOUNT = shape(
    "CarrierAccount",
    {
        "id": whole(1),
        "provider": text("twilio", "Carrier of the account."),
        "label": nullable(text("Our Twilio account")),
        "last_four": text("f3a9", "Last four characters of the auth token or API key."),
        "status": Read(
            lambda account: "failing" if account.failing_since else "active",
            choice(["active", "failing"], "active", "`failing`: the carrier no longer accepts the credentials."),
        ),
        "webhook_url": text(
            "https://agents.example.com/webhooks/twilio/own/1",
            "URL below which the carrier reports calls. At Telnyx, enter it as the webhook URL of the Call Control application.",
        ),
        "checked_at": moment("When the carrier last accepted or refused the credentials."),
        "created_at": moment(),
    },
)
