"""What the API's description says about calls."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from agents.variables import MAX_VALUE_CHARACTERS, NAME
from bubblyphone.core.json_schema import (
    Schema,
    choice,
    data_of,
    extended,
    flag,
    free_object,
    listing,
    moment,
    money,
    nullable,
    number,
    page_of,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.schema import Operation
from calls.after_call.recording_access import MAX_RETENTION_DAYS
from calls.after_call.transcription import RECIPIENT
from calls.api import caps_schema
from calls.api.recording_views import RetentionSerializer
from calls.api.serializers import CallFilters, CallSerializer, ContextSerializer, SpeakSerializer, TransferSerializer
from calls.models import Analysis, CallEvent, CallStatus, Direction, HangupCause, TranscriptEntry, Transcription
from phone_numbers.models import CallMode

CALL = shape(
    "Call",
    {
        "id": whole(42),
        "direction": choice(Direction.values, "outbound"),
        "from": text("+14155551234"),
        "to": text("+15551234567"),
        "from_number": text("+14155551234", "The same as `from`."),
        "to_number": text("+15551234567", "The same as `to`."),
        "phone_number_id": nullable(whole(1)),
        "agent_id": nullable(whole(1)),
        "mode": choice(CallMode.values, "streaming"),
        "model_slug": nullable(text("gemini-3.1-flash-live")),
        "status": choice(CallStatus.values, "completed"),
        "started_at": moment(example="2026-03-27T12:00:00Z"),
        "answered_at": nullable(moment(example="2026-03-27T12:00:05Z")),
        "ended_at": nullable(moment(example="2026-03-27T12:02:05Z")),
        "duration_seconds": nullable(whole(120, "From the answer to the end.")),
        "cost": money("0.18", "The same as `total_cost`."),
        "telephony_cost": money("0.10"),
        "model_cost": money("0.08"),
        "transcription_cost": money("0.00"),
        "analysis_cost": money("0.00"),
        "total_cost": money("0.18"),
        "hangup_cause": nullable(choice(HangupCause.values, "normal_clearing")),
        "voicemail_detected": flag("A machine answered an outbound call."),
        "voicemail_message_left": flag(
            "The whole voicemail message was spoken after the end of the greeting (`voicemail_action: ai_message`). "
            "False if the mailbox or anybody else ended the call first."
        ),
        "recording_enabled": flag(),
        "analysis_result": nullable(free_object({"qualified_lead": True}), example=None),
        "sandbox": flag("A call by a browser, without a telephone line."),
    },
)
TRANSFER = shape(
    "Transfer",
    {
        "to": text("+12025559999"),
        "requested_at": moment(),
        "answered_at": nullable(moment()),
        "failed_at": nullable(moment(), example=None),
        "failed_reason": nullable(choice(HangupCause.values, "no_answer"), example=None),
    },
)
CALL_DETAIL = shape(
    "CallWithConfig",
    extended(
        CALL,
        {
            "config": free_object(
                {"voice": {"value": "Kore", "source": "agent"}},
                "What the call went by: each field's value, and which of `request`, `agent`, `number_agent`, `number`, "
                "`default` said so.",
            ),
            "dynamic_variables": free_object({"customer_name": "John"}),
            "transfers": listing(TRANSFER, "Attempts to hand the call over, oldest first."),
        },
    ),
)
EVENT = shape(
    "CallEvent",
    {
        "event_type": text("call.initiated"),
        "source": choice(CallEvent.Source.values, "system"),
        "event_timestamp": moment(example="2026-03-28T10:00:00.000Z"),
        "metadata": free_object({"model": "gemini-3.1-flash-live"}),
    },
)
SPOKEN = shape(
    "TranscriptEntry",
    {
        "role": choice(TranscriptEntry.Role.values, "user"),
        "text": text("What are your hours?"),
        "timestamp": moment(),
        "interrupted": flag("The caller spoke over the rest of it; `text` is what was heard."),
        "interrupted_at_ms": nullable(whole(1480, "How much of the answer had been heard then."), example=None),
    },
)
TURN = shape(
    "CallTurn",
    {
        "answered_at": moment("When the caller heard the first sound.", example="2026-03-28T10:00:07.120Z"),
        "carrier_in_ms": whole(20, "How late the end of the caller's speech reached us."),
        "detection_ms": nullable(whole(510, "Until the model took the turn for over; null where it does not say.")),
        "model_ms": whole(320, "Until the first sound of its answer."),
        "tool_ms": whole(0, "Of the time before the answer, while tools were at work."),
        "own_ms": whole(1, "Ours, from the model to the carrier."),
        "playout_ms": nullable(whole(60, "Until the carrier played it; null where it did not say.")),
        "total_ms": whole(
            911, "From the end of the caller's speech to the first sound, `speak_while_waiting` included."
        ),
    },
)
WHISPER_SEGMENT = shape(
    "WhisperSegment",
    {
        "start": number(0.0, "Seconds since the recording began."),
        "end": number(2.48),
        "text": text("We are open from nine."),
        "role": choice(
            [*TranscriptEntry.Role.values, RECIPIENT], "model", "`recipient`: whoever the call was transferred to."
        ),
    },
)
TRANSCRIPT = record(
    {
        "call_id": whole(42),
        "transcript": listing(SPOKEN),
        "whisper_transcript": nullable(
            text("We are open from nine.\nGreat, thank you.", "Null until it is ready. A line for each turn."),
        ),
        "whisper_segments": listing(WHISPER_SEGMENT, "By time, both speakers."),
        "whisper_status": nullable(
            choice(Transcription.Status.values, "ready", "Null: there is nothing to transcribe, or not yet.")
        ),
        "whisper_source": nullable(
            text(
                "groq:whisper-large-v3-turbo", "Who wrote it down; `offline:…` is the built-in recognizer, not charged."
            )
        ),
        "whisper_error": nullable(text("The transcription provider cannot be reached."), example=None),
    }
)
RECORDING = record(
    {
        "recording_url": text(
            "https://agents.example.com/recordings/17.1vXw2k.Qm…",
            "Needs no key. WAV, caller left, agent right; after a transfer, the recipient right.",
        ),
        "expires_at": moment("Until when the address works: an hour."),
        "duration_seconds": number(95.2),
        "size_bytes": whole(3046400),
        "missing": nullable(
            text(
                "The carrier did not hand it over.",
                "Why the part after a transfer is not in the recording; null unless it is missing.",
            ),
            example=None,
        ),
    }
)
ANALYSIS = record(
    {
        "call_id": whole(68),
        "status": choice(Analysis.Status.values, "ready"),
        "source": nullable(
            text(
                "openai:gpt-5.4-nano",
                "Who read it: a model, `offline_rules` without one; `no_speech` if the other party said nothing, which is free.",
            )
        ),
        "result": nullable(
            free_object(
                {"qualified_lead": True, "budget": 5000},
                "A value for each field of the schema; as `analysis_result` of the call.",
            )
        ),
        "reason": nullable(text("The model cannot be reached.", "Why it failed."), example=None),
        "finished_at": nullable(moment()),
    }
)
RETENTION = record({"days": nullable(whole(90, "Null: until you delete them.", minimum=1, maximum=MAX_RETENTION_DAYS))})
ATTEMPT = shape(
    "WebhookAttempt",
    {
        "webhook_log_id": whole(7, "For `POST /webhook-logs/{id}/resend`."),
        "event_type": text("call.incoming"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": free_object({"event": "call.incoming", "call_id": "42"}),
        "response_status": nullable(whole(200)),
        "response_body": nullable(text('{"action":"answer","text":"Hello!"}')),
        "latency_ms": nullable(whole(183)),
        "attempt": whole(1, "From 1.", minimum=1),
        "success": flag(example=True),
        "error_message": nullable(text("The webhook did not answer within 10 seconds."), example=None),
    },
)

_POLICY = "The destination is refused: `reason` is `emergency_number`, `premium_destination` or `no_rate`."
_AT_CARRIER = "The carrier refused or could not be reached."

OPERATIONS = {
    **caps_schema.OPERATIONS,
    "Calls": {
        "POST /calls": Operation(
            "Place a call",
            "What the request does not say, the agent named in it says; else the number's agent, the number, the default.",
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
            },
            errors={
                403: _POLICY,
                402: "The balance is below $0.50, or a limit of yours is reached (see `reason`).",
                409: "The number is suspended.",
                502: _AT_CARRIER,
            },
        ),
        "GET /calls": Operation("List calls", "Newest first.", answer=page_of(CALL), query=CallFilters),
        "GET /calls/{id}": Operation("Show a call", answer=data_of(CALL_DETAIL)),
        "POST /calls/{id}/hangup": Operation(
            "Hang up", "End a running call.", answer=data_of(CALL), errors={409: "The call has ended already."}
        ),
        "POST /calls/{id}/speak": Operation(
            "Speak",
            "Mode `webhook`: speak a text to the caller, and send what the caller says next as `call.speech`. "
            "Mode `streaming`: the model says it. Before the answer it waits for it.",
            answer=data_of(CALL),
            body=SpeakSerializer,
            example={"text": "Hello! This is an automated call from Acme Corp."},
            errors={409: "The call has ended or was handed over, or its model is not connected at the moment."},
        ),
        "POST /calls/{id}/transfer": Operation(
            "Transfer a call",
            "Connect the caller to another number. If it does not answer, the caller comes back. With a `briefing` the person "
            "there is told it first; until then the caller stays with the agent.",
            answer=data_of(CALL),
            body=TransferSerializer,
            example={"to": "+15559876543", "briefing": "Ada Lovelace calls about order 1815."},
            errors={
                403: _POLICY,
                402: "The first minute of the other leg cannot be paid for (see `reason`).",
                409: "The call is not answered, has ended, or is being transferred.",
            },
        ),
        "POST /calls/{id}/context": Operation(
            "Give the model context",
            "The model takes the message into its next answer. Answered once its session has taken it.",
            answer=record({"status": choice(["delivered"], "delivered")}),
            body=ContextSerializer,
            example={"message": "The customer's account has been credited $50."},
            errors={409: "No model is in the call now."},
        ),
        "GET /calls/{id}/transcript": Operation(
            "Show the transcript", answer=data_of(TRANSCRIPT), errors={409: "The call has not ended yet."}
        ),
        "GET /calls/{id}/recording": Operation(
            "Get the recording",
            "An address from which the recording can be fetched without a key, for an hour.",
            answer=data_of(RECORDING),
            errors={
                404: "The call was not recorded, its recording failed or was deleted, or there is no such call of yours.",
                409: "The call has not ended, or its recording is still being stored.",
            },
        ),
        "DELETE /calls/{id}/recording": Operation(
            "Delete the recording",
            "For good; addresses given out before stop working. What was transcribed stays.",
            status=204,
            errors={404: "There is no recording.", 409: "The recording is not ready yet."},
        ),
        "GET /calls/{id}/analysis": Operation(
            "Show the analysis",
            "What was read out of the transcript, by whom, or why that failed.",
            answer=data_of(ANALYSIS),
            errors={
                404: "The agent has no analysis schema, nobody answered, or there is no such call of yours.",
                409: "The call has not ended yet.",
            },
        ),
        "GET /recording-retention": Operation(
            "Show how long recordings are kept", "Of the whole account.", answer=data_of(RETENTION)
        ),
        "PUT /recording-retention": Operation(
            "Set how long recordings are kept",
            "Older ones are deleted within the hour, those that are there already too.",
            answer=data_of(RETENTION),
            body=RetentionSerializer,
            example={"days": 90},
        ),
        "GET /calls/{id}/events": Operation(
            "Show the timeline", "Everything that happened, oldest first.", answer=page_of(EVENT, size=100)
        ),
        "GET /calls/{id}/turns": Operation(
            "Show the turns",
            "How long the caller waited for each answer, and where that time went, oldest first. While the call runs, too.",
            answer=page_of(TURN, size=100),
        ),
        "GET /calls/{id}/webhook-logs": Operation(
            "Show webhook deliveries", "Every attempt, oldest first.", answer=page_of(ATTEMPT, size=100)
        ),
    },
}
PATH_EXAMPLES = {"calls {id}": "42"}
FIELDS = {
    **caps_schema.FIELDS,
    "calls {id}": "The call's id, or the `call_id` text of a sandbox call.",
    "from": "A phone number of yours (E.164).",
    "to": "Whom to call (E.164).",
    "direction": "Which way the call went.",
    "status": "Where the call stands.",
    "phone_number_id": "A phone number of yours.",
    "date_from": "Calls that started at or after this time. A bare date includes the whole day (UTC).",
    "date_to": "Calls that started at or before this time. A bare date includes the whole day (UTC).",
    "sandbox": "Calls by browser alone, or none of them.",
    "CallFilters.agent_id": "Calls that this agent held.",
    "voicemail_detected": "Calls that reached a voicemail, or those that did not.",
    "dynamic_variables": "Texts for `{{names}}` in `system_prompt` and `greeting_message`.",
    "text": "What is spoken.",
    "TransferSerializer.to": "Where the call goes (E.164).",
    "transfer_to": "The same as `to`; one of them is needed.",
    "briefing": "What the person at that number is told before the caller is connected.",
    "message": "What the model is to know.",
    "RetentionSerializer.days": "Days, or null: until you delete them.",
}


class VariablesExtension(OpenApiSerializerFieldExtension):
    target_class = "calls.api.serializers.VariablesField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_CHARACTERS},
        }
