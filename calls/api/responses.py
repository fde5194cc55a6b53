"""Response shapes of calls."""

from datetime import datetime

from accounts.retention import MAX_DAYS
from bubblyphone.core.api.json_schema import (
    Read,
    choice,
    flag,
    free_object,
    listing,
    moment,
    money,
    nullable,
    number,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.core.money import format_money
from calls.after_call.transcription import RECIPIENT, full_text
from calls.charging.daily_caps import Scope
from calls.diagnosis import Fault
from calls.models import (
    Analysis,
    CallEvent,
    CallStatus,
    Direction,
    HangupCause,
    Outcome,
    Screened,
    TranscriptEntry,
    Transcription,
)
from phone_numbers.carriers.registry import slug_of
from phone_numbers.models import CallMode


def to_milliseconds(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


_CEILINGS = record(
    {
        "daily_cap": Read(
            "daily_cap_ceiling", nullable(money("25.00", "The highest `daily_cap` you can set. Null: any, or none."))
        ),
        "max_concurrent_calls": Read(
            "concurrent_calls_ceiling", nullable(whole(10, "The same for `max_concurrent_calls`."))
        ),
    }
)
_OWNED_CAPS = [scope for scope in Scope if scope is not Scope.ACCOUNT]
CAPS = shape(
    "Caps",
    {
        "daily_cap": nullable(money("25.00", "Daily limit in USD (UTC days) for all calls.")),
        "spent_today": money("8.04", "Cost of today's calls so far, including running calls."),
        "max_concurrent_calls": nullable(whole(20)),
        "running_calls": whole(3, "Calls in progress."),
        "max_calls_per_caller_per_hour": nullable(whole(10)),
        "ceilings": Read(lambda limits: _CEILINGS.of(limits), _CEILINGS),
        "currency": Read(lambda limits: "USD", choice(["USD"], "USD")),
        "others": listing(
            record(
                {
                    "scope": Read(lambda pair: pair[0].scope, choice(_OWNED_CAPS, "phone_number")),
                    "id": Read(lambda pair: pair[0].target_id, whole(1, "Daily cap of the number, agent, or key.")),
                    "daily_cap": Read(lambda pair: format_money(pair[0].amount), money("10.00")),
                    "spent_today": Read(lambda pair: format_money(pair[1]), money("2.11")),
                }
            ),
            "Daily caps of numbers, agents, and API keys. Set them on those objects.",
        ),
    },
    "Limits of the account. Null means no limit.",
)

CALL = shape(
    "Call",
    {
        "id": whole(42),
        "direction": choice(Direction.values, "outbound"),
        "from": Read("from_number", text("+14155551234")),
        "to": Read("to_number", text("+15551234567")),
        "from_number": text("+14155551234", "Same as `from`."),
        "to_number": text("+15551234567", "Same as `to`."),
        "phone_number_id": nullable(whole(1)),
        "agent_id": nullable(whole(1)),
        "agent_version": nullable(whole(3, "Version of the agent that spoke.")),
        "carrier": Read(
            lambda call: slug_of(call.carrier) or None,
            nullable(text("telnyx", "The number's carrier. Null for sandbox calls.")),
        ),
        "mode": choice(CallMode.values, "streaming"),
        "model_slug": nullable(text("gemini-3.1-flash-live")),
        "status": choice(CallStatus.values, "completed"),
        "started_at": moment(example="2026-03-27T12:00:00Z"),
        "answered_at": nullable(moment(example="2026-03-27T12:00:05Z")),
        "ended_at": nullable(moment(example="2026-03-27T12:02:05Z")),
        "duration_seconds": nullable(whole(120, "Time from answer to end, in seconds.")),
        "cost": Read("total_cost", money("0.18", "Same as `total_cost`.")),
        "telephony_cost": money("0.10"),
        "model_cost": money("0.08"),
        "transcription_cost": money("0.00"),
        "analysis_cost": money("0.00"),
        "total_cost": money("0.18"),
        "hangup_cause": nullable(choice(HangupCause.values, "normal_clearing")),
        "refusal_reason": nullable(
            text("do_not_call", "Why the call was refused before it began, such as `outside_calling_hours`."),
            example=None,
        ),
        "voicemail_detected": flag("Whether voicemail or another machine answered an outbound call."),
        "voicemail_message_left": flag(
            "Whether the whole voicemail message was spoken after the end of the greeting (`voicemail_action: ai_message`). "
            "False if the mailbox or anyone else ended the call first."
        ),
        "screened": Read(
            lambda call: (call.screened or None) if call.is_over or call.screened == Screened.ACCEPTED else None,
            nullable(
                choice(
                    Screened.values, "accepted", "Whether the phone of an outbound call asked who is calling first."
                ),
                example=None,
            ),
        ),
        "outcome": nullable(
            choice(
                Outcome.values,
                "person",
                "Whom an outbound call reached, or why nobody. Null while it runs, and for calls that were never dialed or failed. "
                "Machines are detected on streaming calls only.",
            )
        ),
        "recording_enabled": flag(),
        "analysis_result": nullable(free_object({"qualified_lead": True}), example=None),
        "metadata": free_object({"order_id": "1815"}, "Your own labels, from the request or the lookup."),
        "sandbox": flag("Whether this is a sandbox call, made from a browser without a phone line."),
    },
)
TRANSFER = shape(
    "Transfer",
    {
        "to": Read("to_number", text("+12025559999")),
        "requested_at": moment(),
        "answered_at": nullable(moment()),
        "failed_at": nullable(moment(), example=None),
        "failed_reason": Read("reason", nullable(choice(HangupCause.values, "no_answer"), example=None)),
    },
)
CALL_DETAIL = shape(
    "CallWithConfig",
    {
        **CALL.properties,
        "config": free_object(
            {"voice": {"value": "Kore", "source": "agent"}},
            "The settings of the call. `source` is `request`, `agent`, `number_agent`, `number`, `lookup`, or `default`.",
        ),
        "dynamic_variables": free_object({"customer_name": "John"}),
        "transfers": Read(
            lambda call: [TRANSFER.of(transfer) for transfer in call.transfers.order_by("id")],
            listing(TRANSFER, "Transfer attempts, oldest first."),
        ),
    },
)
EVENT = shape(
    "CallEvent",
    {
        "event_type": text("call.initiated"),
        "source": choice(CallEvent.Source.values, "system"),
        "event_timestamp": Read(
            lambda event: to_milliseconds(event.event_timestamp), moment(example="2026-03-28T10:00:00.000Z")
        ),
        "metadata": free_object({"model": "gemini-3.1-flash-live"}),
    },
)
SPOKEN = shape(
    "TranscriptEntry",
    {
        "role": choice(
            TranscriptEntry.Role.values, "user", "`human` is a person of yours who had taken over the call."
        ),
        "text": text("What are your hours?"),
        "timestamp": Read("spoken_at", moment()),
        "interrupted": flag(
            "The caller interrupted the agent, or the call ended. `text` is the part that was heard. In webhook mode it is the whole "
            "text: carriers do not report how much of it they spoke."
        ),
        "interrupted_at_ms": nullable(
            whole(1480, "How much of the audio was played before the interruption."), example=None
        ),
        "commentary": flag("The agent said this before its answer, while it was thinking or waiting for a tool."),
    },
)
DIAGNOSIS = shape(
    "Diagnosis",
    {
        "outcome": text(
            "no_answer", "The `hangup_cause`, `unknown` if there is none, or `in_progress` for a running call."
        ),
        "fault": choice(list(Fault), "callee", "Whose fault it was."),
        "summary": text("Nobody picked up.", "What happened, in a sentence."),
        "evidence": listing(text("12:00:00 the carrier reported no_answer"), "What shows it. Times are in UTC."),
        "fix": text("Call again at another time of day.", "What to do about it."),
        "fix_url": nullable(
            text("https://agents.example.com/numbers/1", "The page where you can fix it."), example=None
        ),
    },
)
TURN = shape(
    "CallTurn",
    {
        "answered_at": Read(
            lambda turn: to_milliseconds(turn.answered_at),
            moment("When the caller heard the agent's first sound.", "2026-03-28T10:00:07.120Z"),
        ),
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


def _is_ready(work: Transcription) -> bool:
    return work.status == Transcription.Status.READY


TRANSCRIPT = record(
    {
        "call_id": whole(42),
        "transcript": listing(SPOKEN),
        "whisper_transcript": Read(
            lambda work: full_text(work) if _is_ready(work) else None,
            nullable(
                text("We are open from nine.\nGreat, thank you.", "Full text, one line per turn. Null until ready."),
            ),
        ),
        "whisper_segments": Read(
            lambda work: work.segments if _is_ready(work) else [],
            listing(WHISPER_SEGMENT, "Segments of both speakers, in order of time."),
        ),
        "whisper_status": Read(
            lambda work: work.status if work.pk else None,
            nullable(
                choice(Transcription.Status.values, "ready", "Null if there is nothing to transcribe, or not yet.")
            ),
        ),
        "whisper_source": Read(
            lambda work: work.source if _is_ready(work) else None,
            nullable(
                text(
                    "groq:whisper-large-v3-turbo",
                    "Who wrote it down; `offline:…` is the built-in recognizer, not charged.",
                )
            ),
        ),
        "whisper_error": Read(
            lambda work: work.reason if work.status == Transcription.Status.FAILED else None,
            nullable(text("The transcription provider could not be reached."), example=None),
        ),
    }
)
RECORDING = record(
    {
        "recording_url": text(
            "https://agents.example.com/recordings/17.1vXw2k.Qm…",
            "WAV file, caller on the left channel, agent (or transfer recipient) on the right. No key needed.",
        ),
        "expires_at": moment("When the URL expires, one hour after the request."),
        "duration_seconds": Read(lambda recording: (recording.duration_ms or 0) / 1000, number(95.2)),
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
        "reason": Read(
            lambda work: (work.reason or None) if work.status == Analysis.Status.FAILED else None,
            nullable(text("The model could not be reached.", "Reason for the failure."), example=None),
        ),
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
                maximum=MAX_DAYS,
            )
        )
    }
)
ATTEMPT = shape(
    "WebhookAttempt",
    {
        "webhook_log_id": Read("delivery.id", whole(7, "ID for `POST /webhook-logs/{id}/resend`.")),
        "event_type": Read("delivery.event_type", text("call.incoming")),
        "url": Read("delivery.url", text("https://yourapp.com/webhook")),
        "request_payload": Read(
            lambda attempt: parse_stored_json(attempt.delivery.body or "{}"),
            free_object({"event": "call.incoming", "call_id": "42"}),
        ),
        "response_status": nullable(whole(200)),
        # An empty body is shown as empty.
        "response_body": Read(
            lambda attempt: attempt.response_body, nullable(text('{"action":"answer","text":"Hello!"}'))
        ),
        "latency_ms": nullable(whole(183)),
        "attempt": Read("number", whole(1, "1 for the first attempt.", minimum=1)),
        "success": flag(example=True),
        "error_message": nullable(text("The webhook did not respond within 10 seconds."), example=None),
    },
)
