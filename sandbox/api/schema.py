"""The API description of the sandbox."""

from bubblyphone.core.api.json_schema import data_of
from bubblyphone.core.api.openapi import Operation
from sandbox.api.responses import DEMO, STARTED
from sandbox.api.views import SandboxCallSerializer

OPERATIONS = {
    "Sandbox": {
        "POST /sandbox/calls": Operation(
            "Start a sandbox call",
            "Talk to a number's agent over a WebSocket, without a phone. Telephony is free. The model is billed.",
            answer=data_of(STARTED),
            status=201,
            body=SandboxCallSerializer,
            example={"phone_number_id": 1, "overrides": {"system_prompt": "You are a test assistant."}},
            errors={402: "The balance is below $0.50, or one of your limits is reached (see `reason`)."},
        ),
        "POST /sandbox/demo": Operation(
            "Start a demo call",
            "A free call to our demo agent. No number needed. Three per account.",
            answer=data_of(DEMO),
            status=201,
            errors={
                403: "The free demo calls are used up, or the email address is not confirmed yet (`email_not_confirmed`).",
                502: "No AI model is available.",
            },
        ),
    },
}
FIELDS = {
    "overrides": "Settings that differ for this call.",
    "dynamic_variables": "Values for the variables in prompt and greeting.",
}
