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
        "from_number": text("+14155551234", "Same as `from`."),
        "to_number": text("+15551234567", "Same as `to`."),
        "phone_number_id": nullable(whole(1)),
        "agent_id": nullable(whole(1)),
        "mode": choice(CallMode.values, "streaming"),
        "model_slug": nullable(text("gemini-3.1-flash-live")),
        "status": choice(CallStatus.values, "completed"),
        "started_at": moment(example="2026-03-27T12:00:00Z"),
        "answered_at": nullable(moment(example="2026-03-27T12:00:05Z")),
        "ended_at": nullable(moment(example="2026-03-27T12:02:05Z")),
        "duration_seconds": nullable(whole(120, "Time from answer to end, in seconds.")),
        "cost": money("0.18", "Same as `total_cost`."),
        "telephony_cost": money("0.10"),
        "model_cost": money("0.08"),
        "transcription_cost": money("0.00"),
        "analysis_cost": money("0.00"),
        "total_cost": money("0.18"),
        "hangup_cause": nullable(choice(HangupCause.values, "normal_clearing")),
        "voicemail_detected": flag("Whether voicemail or another machine answered an outbound call."),
        "voicemail_message_left": flag(
            "Whether the whole voicemail message was spoken after the end of the greeting (`voicemail_action: ai_message`). "
            "False if the mailbox or anybody else ended the call first."
        ),
        "recording_enabled": flag(),
        "analysis_result": nullable(free_object({"qualified_lead": True}), example=None),
        "sandbox": flag("Whether this is a sandbox call, made from a browser without a phone line."),
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
                "The settings of the call. `source` is `request`, `agent`, `number_agent`, `number`, or `default`.",
            ),
            "dynamic_variables": free_object({"customer_name": "John"}),
            "transfers": listing(TRANSFER, "Transfer attempts, oldest first."),
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
        "interrupted": flag("The caller interrupted the agent. `text` is the part that was heard."),
        "interrupted_at_ms": nullable(
            whole(1480, "How much of the audio was played before the interruption."), example=None
        ),
    },
)
TURN = shape(
    "CallTurn",
    {
        "answered_at": moment("When the caller heard the agent's first sound.", example="2026-03-28T10:00:07.120Z"),
        "carrier_in_ms": whole(20, "Delay of the caller's audio on its way to us."),
        "detection_ms": nullable(
            whole(510, "Time the model took to detect the end of the turn. Null if the model does not report it.")
        ),
        "model_ms": whole(320, "Time until the model's first sound."),
        "tool_ms": whole(0, "Part of the answer time spent waiting for tools."),
        "own_ms": whole(1, "Our processing time, from model to carrier."),
        "playout_ms": nullable(
            whole(60, "Time until the carrier played the sound. Null if the carrier does not report it.")
        ),
        "total_ms": whole(
            911, "Time from the end of the caller's speech to the first sound, including `speak_while_waiting`."
        ),
    },
)
WHISPER_SEGMENT = shape(
    "WhisperSegment",
    {
        "start": number(0.0, "Seconds from the start of the recording."),
        "end": number(2.48),
        "text": text("We are open from nine."),
        "role": choice(
            [*TranscriptEntry.Role.values, RECIPIENT], "model", "`recipient` is the person the call was transferred to."
        ),
    },
)
TRANSCRIPT = record(
    {
        "call_id": whole(42),
        "transcript": listing(SPOKEN),
        "whisper_transcript": nullable(
            text("We are open from nine.\nGreat, thank you.", "Full text, one line per turn. Null until ready."),
        ),
        "whisper_segments": listing(WHISPER_SEGMENT, "Segments of both speakers, in order of time."),
        "whisper_status": nullable(
            choice(Transcription.Status.values, "ready", "Null if there is nothing to transcribe, or not yet.")
        ),
        "whisper_source": nullable(
            text(
                "groq:whisper-large-v3-turbo", "Who wrote it down; `offline:…` is the built-in recognizer, not charged."
            )
        ),
        "whisper_error": nullable(text("The transcription provider could not be reached."), example=None),
    }
)
RECORDING = record(
    {
        "recording_url": text(
            "https://agents.example.com/recordings/17.1vXw2k.Qm…",
            "WAV file, caller on the left channel, agent (or transfer recipient) on the right. No key needed.",
        ),
        "expires_at": moment("When the URL expires, one hour after the request."),
        "duration_seconds": number(95.2),
        "size_bytes": whole(3046400),
        "missing": nullable(
            text(
                "The carrier did not provide it.",
                "Why the part after a transfer is missing from the recording. Null if it is not missing.",
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
                "The analyzer: a model, `offline_rules` if none is configured, or `no_speech` (free) if the remote party said nothing.",
            )
        ),
        "result": nullable(
            free_object(
                {"qualified_lead": True, "budget": 5000},
                "One value per schema field. Same as `analysis_result` of the call.",
            )
        ),
        "reason": nullable(text("The model could not be reached.", "Reason for the failure."), example=None),
        "finished_at": nullable(moment()),
    }
)
RETENTION = record(
    {
        "days": nullable(
            whole(
                90,
                "Number of days. Null keeps recordings until you delete them.",
                minimum=1,
                maximum=MAX_RETENTION_DAYS,
            )
        )
    }
)
ATTEMPT = shape(
    "WebhookAttempt",
    {
        "webhook_log_id": whole(7, "ID for `POST /webhook-logs/{id}/resend`."),
        "event_type": text("call.incoming"),
        "url": text("https://yourapp.com/webhook"),
        "request_payload": free_object({"event": "call.incoming", "call_id": "42"}),
        "response_status": nullable(whole(200)),
        "response_body": nullable(text('{"action":"answer","text":"Hello!"}')),
        "latency_ms": nullable(whole(183)),
        "attempt": whole(1, "1 for the first attempt.", minimum=1),
        "success": flag(example=True),
        "error_message": nullable(text("The webhook did not respond within 10 seconds."), example=None),
    },
)

_POLICY = "The destination is not allowed. `reason` is `emergency_number`, `premium_destination`, or `no_rate`."
_AT_CARRIER = "The carrier rejected the request or could not be reached."

OPERATIONS = {
    **caps_schema.OPERATIONS,
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
            "Get recording retention", "How long the account keeps recordings.", answer=data_of(RETENTION)
        ),
        "PUT /recording-retention": Operation(
            "Set recording retention",
            "Recordings older than this are deleted within the hour, including existing ones.",
            answer=data_of(RETENTION),
            body=RetentionSerializer,
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
    "voicemail_detected": "Only calls that reached voicemail, or only calls that did not.",
    "dynamic_variables": "Values for `{{names}}` in `system_prompt` and `greeting_message`.",
    "text": "Text to speak.",
    "TransferSerializer.to": "Destination (E.164).",
    "transfer_to": "Same as `to`. One of the two is required.",
    "briefing": "What the agent tells the person at that number before connecting the caller.",
    "message": "Message for the model.",
    "RetentionSerializer.days": "Number of days, or null to keep recordings until you delete them.",
}


class VariablesExtension(OpenApiSerializerFieldExtension):
    target_class = "calls.api.serializers.VariablesField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{NAME.pattern}$"},
            "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_CHARACTERS},
        }
