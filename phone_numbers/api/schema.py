"""The API description of numbers."""

from accounts.admin_keys import CAP_ERRORS
from bubblyphone.core.api.json_schema import choice, data_of, data_with_warnings, listing, page_of, record, text
from bubblyphone.core.api.openapi import Operation
from phone_numbers.api.carrier_accounts import NumberImportSerializer
from phone_numbers.api.carriers import CARRIER
from phone_numbers.api.countries import NumberTypeQuery
from phone_numbers.api.responses import (
    AVAILABLE_NUMBER,
    BOUGHT_NUMBER,
    CARRIER_ACCOUNT,
    COST,
    COUNTRY,
    NUMBER,
    NUMBER_DETAIL,
    PRICE,
    REQUIREMENT,
    SUBMISSION,
    VERIFICATION,
)
from phone_numbers.api.serializers import (
    CarrierAccountSerializer,
    CarrierAccountUpdateSerializer,
    NumberPurchaseSerializer,
    NumberSearchSerializer,
    PricingQuerySerializer,
)
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.models import NumberType

FORM = {
    **record(
        {
            "number_type": choice(NumberType.values, "local", "Type of number."),
            "documents[0][type]": text("6d3e2643-…", "Requirement ID. Send further documents as `documents[1]…`."),
            "documents[0][file]": {
                "type": "string",
                "format": "binary",
                "description": "PDF, PNG, or JPEG, up to 10 MiB.",
            },
            "documents[0][value]": text("Jane Doe", "Text, for requirements that ask for text instead of a file."),
        }
    ),
    "required": ["number_type", "documents[0][type]"],
    "additionalProperties": True,
}
_AT_CARRIER = "The carrier rejected the request or could not be reached. Nothing was charged."
_ASKED = "The carrier could not be reached."
_NO_ACCOUNT = {404: "The carrier account does not exist, or it belongs to another account."}

OPERATIONS = {
    "Phone numbers": {
        "GET /carriers": Operation(
            "List carriers",
            "Carriers of this installation and what each can do. Not paginated. A setting that a number's carrier cannot serve is "
            "refused when you save it.",
            answer=data_of(listing(CARRIER)),
        ),
        "GET /carrier-accounts": Operation(
            "List carrier accounts", "Your own accounts at carriers. Newest first.", answer=page_of(CARRIER_ACCOUNT)
        ),
        "POST /carrier-accounts": Operation(
            "Add a carrier account",
            "Calls of its numbers cost nothing for telephony here: the carrier bills you. Credentials are verified at the carrier with one "
            "request, stored encrypted, and never returned. Twilio: `account_sid`, `auth_token`. Telnyx: `api_key`, `public_key`, and "
            "`connection_id` if the account has several Call Control applications.",
            answer=data_of(CARRIER_ACCOUNT),
            status=201,
            body=CarrierAccountSerializer,
            example={
                "provider": "telnyx",
                "label": "Our account",
                "credentials": {
                    "api_key": "KEY0123456789ABCDEF",
                    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                },
            },
            errors={502: "The carrier could not be reached. Nothing was stored."},
        ),
        "GET /carrier-accounts/{id}": Operation("Get a carrier account", answer=data_of(CARRIER_ACCOUNT)),
        "PATCH /carrier-accounts/{id}": Operation(
            "Update a carrier account",
            "Replace credentials, for example after you rotated them at the carrier. Send only those that change. They are verified before "
            "they replace the old ones. A Twilio `account_sid` cannot change.",
            answer=data_of(CARRIER_ACCOUNT),
            body=CarrierAccountUpdateSerializer,
            example={"credentials": {"api_key": "KEY0123456789ABCDEF"}},
            errors={
                409: "The credentials were changed by another request.",
                502: "The carrier could not be reached. Nothing was changed.",
            },
        ),
        "POST /carrier-accounts/{id}/test": Operation(
            "Test a carrier account",
            "Ask the carrier whether it still accepts the credentials. We also do this every hour, and email you if it does not.",
            answer=data_of(CARRIER_ACCOUNT),
            errors={502: _ASKED},
        ),
        "DELETE /carrier-accounts/{id}": Operation(
            "Delete a carrier account", status=204, errors={409: "Numbers use this account."}
        ),
        "POST /phone-numbers/import": Operation(
            "Import a number",
            "Route a number of your own carrier account to us. It costs nothing here. The body can have every field of "
            "`PATCH /phone-numbers/{id}`. When you release the number, its calls go where they went before, and it stays yours.",
            answer=data_with_warnings(BOUGHT_NUMBER),
            status=201,
            body=NumberImportSerializer,
            example={"phone_number": "+14155551234", "carrier_account_id": 1, "label": "Support"},
            errors={
                **_NO_ACCOUNT,
                409: "The number is already here.",
                502: "The carrier could not be reached. Nothing was changed.",
            },
        ),
        "GET /phone-numbers/available": Operation(
            "Search available numbers",
            "Numbers available for purchase, and their price. Not paginated.",
            answer=record({"data": listing(AVAILABLE_NUMBER), "pricing": COST}),
            query=NumberSearchSerializer,
            errors={**_NO_ACCOUNT, 502: "The carrier rejected the request or could not be reached."},
        ),
        "POST /phone-numbers": Operation(
            "Buy a number",
            "Setup fee and first month are deducted from the balance. `webhook_secret` is returned only in this response.",
            answer=data_of(BOUGHT_NUMBER),
            status=201,
            body=NumberPurchaseSerializer,
            example={
                "phone_number": "+14155551234",
                "webhook_url": "https://your-app.com/webhook",
                "label": "Support",
            },
            errors={
                **_NO_ACCOUNT,
                402: "The balance does not cover the setup fee and the first month.",
                403: "You are not verified for this type of number in this country.",
                409: "The number is already taken.",
                502: _AT_CARRIER,
            },
        ),
        "GET /phone-numbers": Operation("List your numbers", "Newest first.", answer=page_of(NUMBER)),
        "GET /phone-numbers/{id}": Operation("Get a number", answer=data_of(NUMBER_DETAIL)),
        "PATCH /phone-numbers/{id}": Operation(
            "Update a number",
            "Omitted fields stay unchanged. Null clears a field. Mode `streaming` requires a `system_prompt` or a linked agent with one.",
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
            "Release the number permanently. An imported number stays at its carrier, which routes it as before.",
            status=204,
            errors={409: "Calls are running on this number.", 502: _AT_CARRIER},
        ),
        "POST /phone-numbers/{id}/rotate-secret": Operation(
            "Rotate the webhook secret",
            "For 24 hours, webhooks are signed with both secrets.",
            answer=data_of(BOUGHT_NUMBER),
        ),
        "GET /number-pricing": Operation(
            "List number prices",
            "Not paginated.",
            answer=data_of(listing(PRICE)),
            query=PricingQuerySerializer,
        ),
    },
    "Countries": {
        "GET /countries": Operation(
            "List countries",
            "Types of numbers for sale by country, with your verification status. Not paginated.",
            answer=data_of(listing(COUNTRY)),
            errors={502: _ASKED},
        ),
        "GET /countries/{code}/requirements": Operation(
            "List a country's requirements",
            answer=data_of(listing(REQUIREMENT)),
            query=NumberTypeQuery,
            errors={502: _ASKED},
        ),
        "POST /countries/{code}/verify": Operation(
            "Submit documents",
            "Submit documents as multipart/form-data. Our staff review them, and we send the result as `country.verification.updated`.",
            answer=data_of(SUBMISSION),
            status=201,
            body=FORM,
            example={
                "number_type": "local",
                "documents[0][type]": "6d3e2643-…",
                "documents[0][file]": "@/path/to/utility-bill.pdf",
            },
            errors={
                409: "Documents are under review, already approved, or not required.",
                502: _ASKED,
                503: "The file storage cannot be reached. Nothing was submitted.",
            },
        ),
        "GET /countries/{code}/verification": Operation(
            "Get your verification status", answer=data_of(VERIFICATION), query=NumberTypeQuery, errors={502: _ASKED}
        ),
    },
}
PATH_EXAMPLES = {"countries {code}": "GB"}
FIELDS = {
    "phone_number": "Phone number in E.164 format, like +14155551234.",
    "webhook_url": "URL that receives the number's call events.",
    "NumberPurchaseSerializer.label": "A name for the number.",
    "NumberUpdateSerializer.label": "A name for the number.",
    "country_code": "Two-letter country code. Default: US.",
    "countries {code}": "Two-letter country code, like GB.",
    "country": "Two-letter country code, like US.",
    "number_type": "Type of number.",
    "carrier": "Carrier of the number. Default: the one marked `is_default` by `GET /carriers`.",
    "provider": "Carrier of the account: `telnyx` or `twilio`.",
    "credentials": "Credentials by name.",
    "CarrierAccountSerializer.label": "A name for the account.",
    "CarrierAccountUpdateSerializer.label": "A name for the account.",
    "carrier_account_id": "ID of one of your carrier accounts.",
    "NumberImportSerializer.label": "A name for the number.",
    "area_code": "Area code, without the country code.",
    "locality": "City, like San Francisco.",
    "contains": "Digits the number must contain.",
    "limit": "Maximum number of results.",
    "mode": "`webhook`: your server controls the call. `streaming`: an AI model talks to the caller.",
    "agent_id": "ID of one of your agents. Null unlinks the agent.",
    "agent_version": "Version of the agent to use. Null: the live version. Also applies where a lookup names this agent.",
    "model": "Slug of a model from `GET /models`.",
}
