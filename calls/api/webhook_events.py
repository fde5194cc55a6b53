"""The events of calls, as their webhooks send them (`calls.timeline.notify`, `calls.live.tool_calls`)."""

from dataclasses import replace

from bubblyphone.core.api.json_schema import choice, free_object, listing, money, nullable, number, record, text, whole
from bubblyphone.core.api.webhook_schema import Webhook
from calls.api.responses import CALL_DETAIL, DIAGNOSIS, SPOKEN
from calls.models import Direction, HangupCause, TranscriptEntry

_ID = {"call_id": text("42")}
_END = choice(HangupCause.values, "normal_clearing")
_METADATA = free_object({"order_id": "1815"}, "Metadata of the call, if any.")
_SECONDS = nullable(whole(120, "Time from answer to end, in seconds. Null if the call was not answered."))

_LOOKUP = Webhook(
    "An inbound call rings and has a `lookup_url`. Respond with what you know of the caller. All fields are optional: "
    '`{"agent_id": 3, "dynamic_variables": {…}, "metadata": {…}, "greeting_message": "…", "reject": true}`. Sent once. '
    "The call waits up to 2.3 seconds.",
    {
        **_ID,
        "from": text("+15551234567"),
        "to": text("+14155551234"),
        "phone_number_id": text("1"),
        "agent_id": nullable(text("1")),
    },
    is_event=False,
)
_WEBHOOKS = {
    "call.incoming": Webhook(
        "An inbound call arrived. In mode `webhook`, respond with an action.",
        {
            **_ID,
            "phone_number_id": text("1"),
            "from": text("+15551234567"),
            "to": text("+14155551234"),
            "direction": text("inbound", const="inbound"),
        },
    ),
    "call.answered": Webhook("The call was answered. Billing starts.", _ID, at="2026-03-27T12:00:05Z"),
    "call.speech": Webhook(
        "Mode `webhook`: the caller spoke. Respond with an action.",
        {**_ID, "text": text("I'd like to make a reservation for two")},
        at="2026-03-27T12:00:15Z",
    ),
    "call.dtmf": Webhook(
        "The remote party pressed a key.", {**_ID, "digit": text("5", "0–9, *, #, A–D.")}, at="2026-03-27T12:00:20Z"
    ),
    "call.hangup": Webhook(
        "The call has ended.",
        {**_ID, "duration_seconds": _SECONDS, "cost": number(0.1, "In USD."), "hangup_cause": _END},
        at="2026-03-27T12:02:05Z",
    ),
    "call.transcript.ready": Webhook(
        "The transcript is available. With `transcription_enabled`, sent after the Whisper transcription has finished. "
        "`whisper_status` is only present in these calls.",
        {**_ID, "whisper_status": choice(["ready", "failed"], "ready")},
        optional=("whisper_status",),
        at="2026-03-27T12:03:00Z",
    ),
    "call.recording.ready": Webhook(
        "The recording is available at `GET /calls/{id}/recording`.",
        {**_ID, "duration_seconds": number(95.2)},
        at="2026-03-27T12:02:10Z",
    ),
    "call.recording.failed": Webhook(
        "Recording the call failed.",
        {**_ID, "reason": text("No audio was received.")},
        at="2026-03-27T12:02:40Z",
    ),
    "call.analysis.ready": Webhook(
        "The analysis is ready, with one value per field of the agent's analysis schema. `source` is the model, or "
        "`offline_rules` if none is configured, or `no_speech` (free) if the remote party said nothing.",
        {
            "call_id": text("68"),
            "analysis": free_object(
                {
                    "qualified_lead": True,
                    "budget": 5000,
                    "disposition": "interested",
                    "summary": "Customer wants to discuss enterprise pricing next week.",
                }
            ),
            "source": text("openai:gpt-5.4-nano"),
        },
        at="2026-04-05T18:00:00Z",
    ),
    "call.analysis.failed": Webhook(
        "Analyzing the call failed. Nothing is charged.",
        {"call_id": text("68"), "reason": text("The model could not be reached.")},
        at="2026-04-05T18:00:00Z",
    ),
    "call.started": Webhook(
        "Mode `streaming`: the model is connected.",
        {**_ID, "model": text("gemini-3.1-flash-live")},
        at="2026-03-28T10:00:04Z",
    ),
    "call.tool_call": Webhook(
        "The model calls a function. Sent only to `tool_webhook_url`. Respond within 10 seconds with "
        '`{"result": …}`. `variables` are the dynamic variables of the call, if any.',
        {
            **_ID,
            "tool": text("check_availability"),
            "arguments": free_object({"date": "2026-04-01"}),
            "variables": free_object({"customer_name": "John"}),
            "from": text("+15551234567"),
            "to": text("+14155551234"),
            "direction": choice(Direction.values, "inbound"),
        },
        optional=("variables",),
        at="2026-03-28T10:00:20Z",
        is_event=False,
    ),
    "call.transcript.segment": Webhook(
        "With `realtime_transcript`: a segment of the conversation as it happens.",
        {
            "call_id": text("45"),
            "role": choice(
                TranscriptEntry.Role.values, "user", "`human` is a person of yours who had taken over the call."
            ),
            "text": text("I'd like to check my account balance"),
        },
        at="2026-04-02T14:01:23Z",
    ),
    "call.transfer.failed": Webhook(
        "The transfer failed and the caller is back with the agent. `reason` is a hang-up cause if the number was called, or "
        "else a code like `no_rate`.",
        {**_ID, "to": text("+12025559999"), "reason": text("no_answer")},
        at="2026-03-28T10:01:10Z",
    ),
    "call.ended": Webhook(
        "Mode `streaming`: the call ended. Includes the itemized cost.",
        {
            **_ID,
            "duration_seconds": whole(95),
            "telephony_cost": money("0.08"),
            "model_cost": money("0.063"),
            "total_cost": money("0.143"),
            "hangup_cause": _END,
        },
        at="2026-03-28T10:01:39Z",
    ),
}
_REPORT = Webhook(
    "Everything about a call in one event, when its recording, transcript, and analysis are ready or have failed: at most 10 minutes "
    "after its end. Sent once, to account endpoints only. `recording_url` is valid for 7 days.",
    {
        **_ID,
        "call": CALL_DETAIL,
        "transcript": listing(SPOKEN),
        "analysis": nullable(free_object({"qualified_lead": True})),
        "recording_url": nullable(text("https://agents.example.com/recordings/MQ.vT0x…")),
        "answer_times": record(
            {
                "count": whole(12, "Answers measured."),
                "median_ms": nullable(whole(820)),
                "p95_ms": nullable(whole(1430)),
            }
        ),
        "diagnosis": DIAGNOSIS,
        "dynamic_variables": free_object({"customer_name": "John"}),
        "metadata": free_object({"order_id": "1815"}),
    },
    at="2026-03-28T10:02:00Z",
)
WEBHOOKS = (
    {"call.lookup": _LOOKUP}
    | {
        event: replace(
            webhook,
            fields={**webhook.fields, "metadata": _METADATA},
            optional=webhook.optional if event == "call.tool_call" else (*webhook.optional, "metadata"),
        )
        for event, webhook in _WEBHOOKS.items()
    }
    | {"call.report": _REPORT}
)
