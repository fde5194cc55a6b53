"""The API description of calls."""

from bubblyphone.core.api.json_schema import choice, data_of, page_of, record
from bubblyphone.core.api.openapi import Operation
from calls.api import caps_schema, policy_schema
from calls.api.recording_views import RecordingRetentionSerializer
from calls.api.responses import (
    ANALYSIS,
    ATTEMPT,
    CALL,
    CALL_DETAIL,
    DIAGNOSIS,
    EVENT,
    RECORDING,
    RETENTION,
    TRANSCRIPT,
    TURN,
)
from calls.api.serializers import CallFilters, CallSerializer, ContextSerializer, SpeakSerializer, TransferSerializer

_POLICY = (
    "The number cannot be called: `reason` is `emergency_number`, `premium_destination`, `no_rate`, or from your policy "
    "`do_not_call`, `country_not_allowed`, `outside_calling_hours` (with `next_allowed_at`), or `too_many_attempts`. The refused "
    "call is in the list of calls."
)
_AT_CARRIER = "The carrier rejected the request or could not be reached."

OPERATIONS = {
    **caps_schema.OPERATIONS,
    **policy_schema.OPERATIONS,
    "Calls": {
        "POST /calls": Operation(
            "Place a call",
            "Each setting comes from the request, the agent in the request, the number's agent, the number, or the default, in this order.",
            answer=data_of(CALL),
            status=201,
            body=CallSerializer,
            example={
                "from": "+14155551234",
                "to": "+12025551234",
                "mode": "streaming",
                "agent_id": 1,
                "system_prompt": "You are calling {{customer_name}} to confirm an appointment.",
                "dynamic_variables": {"customer_name": "John Smith"},
                "metadata": {"order_id": "1815"},
            },
            errors={
                403: _POLICY,
                402: "The balance is below $0.50, or one of your limits is reached (see `reason`).",
                409: "The number is suspended.",
                502: _AT_CARRIER,
            },
        ),
        "GET /calls": Operation("List calls", "Newest first.", answer=page_of(CALL), query=CallFilters),
        "GET /calls/{id}": Operation("Get a call", answer=data_of(CALL_DETAIL)),
        "GET /calls/{id}/diagnosis": Operation(
            "Diagnose a call",
            "What went wrong in a call, whose fault it was, and what to do, as on the call's page. Also for calls that never rang. "
            "`fault` is `nobody` if nothing went wrong or the call is running.",
            answer=data_of(DIAGNOSIS),
        ),
        "POST /calls/{id}/hangup": Operation(
            "Hang up", "End a running call.", answer=data_of(CALL), errors={409: "The call has already ended."}
        ),
        "POST /calls/{id}/speak": Operation(
            "Speak",
            "Mode `webhook`: speak text to the caller, then send the caller's reply as `call.speech`. "
            "Mode `streaming`: the model says the text. Queued until the call is answered.",
            answer=data_of(CALL),
            body=SpeakSerializer,
            example={"text": "Hello! This is an automated call from Acme Corp."},
            errors={409: "The call has ended or was transferred, or its model is not connected."},
        ),
        "POST /calls/{id}/transfer": Operation(
            "Transfer a call",
            "Connect the caller to another number. If nobody answers, the caller returns to the agent. With a `briefing`, the "
            "recipient hears it first, and the caller stays with the agent until then.",
            answer=data_of(CALL),
            body=TransferSerializer,
            example={"to": "+15559876543", "briefing": "Ada Lovelace calls about order 1815."},
            errors={
                403: _POLICY,
                402: "The balance or a limit does not cover the first minute of the transfer (see `reason`).",
                409: "The call is not answered yet, has ended, or is already being transferred.",
            },
        ),
        "POST /calls/{id}/context": Operation(
            "Send context to the model",
            "The model uses the message in its next answer. Responds once the model has received it.",
            answer=record({"status": choice(["delivered"], "delivered")}),
            body=ContextSerializer,
            example={"message": "The customer's account has been credited $50."},
            errors={409: "No model is connected to the call."},
        ),
        "GET /calls/{id}/transcript": Operation(
            "Get the transcript", answer=data_of(TRANSCRIPT), errors={409: "The call has not ended yet."}
        ),
        "GET /calls/{id}/recording": Operation(
            "Get the recording",
            "Get a signed URL of the recording that is valid for one hour and needs no key.",
            answer=data_of(RECORDING),
            errors={
                404: "The call does not exist or was not recorded, or its recording failed or was deleted.",
                409: "The call has not ended, or its recording is still being saved.",
            },
        ),
        "DELETE /calls/{id}/recording": Operation(
            "Delete the recording",
            "Delete the recording permanently. Signed URLs stop working. Transcripts are kept.",
            status=204,
            errors={404: "There is no recording.", 409: "The recording is not ready yet."},
        ),
        "GET /calls/{id}/analysis": Operation(
            "Get the analysis",
            "The data extracted from the transcript, or the reason why the analysis failed.",
            answer=data_of(ANALYSIS),
            errors={
                404: "The call does not exist or was not answered, or its agent has no analysis schema.",
                409: "The call has not ended yet.",
            },
        ),
        "GET /recording-retention": Operation(
            "Get recording retention",
            "The same as `recordings` of `GET /retention`.",
            answer=data_of(RETENTION),
        ),
        "PUT /recording-retention": Operation(
            "Set recording retention",
            "Recordings older than this are deleted every night, including existing ones.",
            answer=data_of(RETENTION),
            body=RecordingRetentionSerializer,
            example={"days": 90},
        ),
        "GET /calls/{id}/events": Operation(
            "Get the timeline", "All events of the call, oldest first.", answer=page_of(EVENT, size=100)
        ),
        "GET /calls/{id}/turns": Operation(
            "List the turns",
            "How long the caller waited for each answer, and why. Oldest first. Also available during the call.",
            answer=page_of(TURN, size=100),
        ),
        "GET /calls/{id}/webhook-logs": Operation(
            "List webhook deliveries of a call", "All attempts, oldest first.", answer=page_of(ATTEMPT, size=100)
        ),
    },
}
PATH_EXAMPLES = {"calls {id}": "42"}
FIELDS = {
    **caps_schema.FIELDS,
    **policy_schema.FIELDS,
    "calls {id}": "ID of the call, or the `call_id` string of a sandbox call.",
    "from": "One of your phone numbers (E.164).",
    "to": "Number to call (E.164).",
    "direction": "Direction of the call.",
    "status": "Status of the call.",
    "phone_number_id": "ID of one of your phone numbers.",
    "date_from": "Calls that started at or after this time. A bare date includes the whole day (UTC).",
    "date_to": "Calls that started at or before this time. A bare date includes the whole day (UTC).",
    "sandbox": "Only sandbox calls, or no sandbox calls.",
    "CallFilters.agent_id": "Calls of this agent.",
    "CallFilters.outcome": "Outbound calls with this outcome.",
    "voicemail_detected": "Only calls that reached voicemail, or only calls that did not.",
    "dynamic_variables": "Values for `{{names}}` in `system_prompt` and `greeting_message`.",
    "CallFilters.metadata": "Calls whose metadata has these values, like `metadata[order_id]=1815`.",
    "metadata": "Your own labels for the call: up to 50 keys with string values. Returned on the call and in its webhooks.",
    "text": "Text to speak.",
    "TransferSerializer.to": "Destination (E.164).",
    "transfer_to": "Same as `to`. One of the two is required.",
    "briefing": "What the agent tells the person at that number before connecting the caller.",
    "message": "Message for the model.",
    "RecordingRetentionSerializer.days": "Number of days, or null to keep recordings until you delete them.",
}
