"""Calls as JSON, and the bodies that create them."""

from datetime import datetime
from typing import Any

from rest_framework import serializers

from agents.serializers import (
    MAX_ID,
    AgentSettingsSerializer,
    ClearableText,
    ModelSlugField,
    PhoneNumberField,
    VariablesField,
)
from bubblyphone.core.api import StrictSerializer, format_time
from bubblyphone.core.money import format_money
from bubblyphone.core.queries import DayOrTimeField
from calls.after_call import transcription
from calls.limits import MAX_BRIEFING_CHARACTERS
from calls.models import Call, CallEvent, CallStatus, CallTurn, Direction, TranscriptEntry, Transcription, Transfer
from calls.webhook_mode.actions import MAX_TEXT_CHARACTERS
from phone_numbers.models import CallMode


def call_data(call: Call, *, with_config: bool = False) -> dict[str, Any]:
    """A call object. It has both documented spellings at once: `from` and `from_number`, `cost` and `total_cost`."""
    total = format_money(call.total_cost)
    found: dict[str, Any] = {
        "id": call.pk,
        "direction": call.direction,
        "from": call.from_number,
        "to": call.to_number,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "phone_number_id": call.phone_number_id,
        "agent_id": call.agent_id,
        "mode": call.mode,
        "model_slug": call.model_slug or None,
        "status": call.status,
        "started_at": format_time(call.started_at),
        "answered_at": format_time(call.answered_at),
        "ended_at": format_time(call.ended_at),
        "duration_seconds": call.duration_seconds,
        "cost": total,
        "telephony_cost": format_money(call.telephony_cost),
        "model_cost": format_money(call.model_cost),
        "transcription_cost": format_money(call.transcription_cost),
        "analysis_cost": format_money(call.analysis_cost),
        "total_cost": total,
        "hangup_cause": call.hangup_cause or None,
        "voicemail_detected": call.voicemail_detected,
        "voicemail_message_left": call.voicemail_message_left,
        "recording_enabled": call.recording_enabled,
        "analysis_result": call.analysis_result,
        "sandbox": call.sandbox,
    }
    if with_config:
        found["config"] = call.config
        found["dynamic_variables"] = call.dynamic_variables
        found["transfers"] = [transfer_data(transfer) for transfer in call.transfers.order_by("id")]
    return found


def transfer_data(transfer: Transfer) -> dict[str, Any]:
    """An attempt to hand a call over; `failed_reason` is a hang-up cause."""
    return {
        "to": transfer.to_number,
        "requested_at": format_time(transfer.requested_at),
        "answered_at": format_time(transfer.answered_at),
        "failed_at": format_time(transfer.failed_at),
        "failed_reason": transfer.reason or None,
    }


def event_data(event: CallEvent) -> dict[str, Any]:
    """A moment of the timeline, to the millisecond."""
    return {
        "event_type": event.event_type,
        "source": event.source,
        "event_timestamp": format_moment(event.event_timestamp),
        "metadata": event.metadata,
    }


def format_moment(moment: datetime) -> str:
    """To the millisecond."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def transcript_data(entry: TranscriptEntry) -> dict[str, Any]:
    return {
        "role": entry.role,
        "text": entry.text,
        "timestamp": format_time(entry.spoken_at),
        "interrupted": entry.interrupted,
        "interrupted_at_ms": entry.interrupted_at_ms,
    }


def turn_data(turn: CallTurn) -> dict[str, Any]:
    """How long the caller waited for one answer, by its parts."""
    parts = ("carrier_in_ms", "detection_ms", "model_ms", "tool_ms", "own_ms", "playout_ms", "total_ms")
    return {"answered_at": format_moment(turn.answered_at), **{part: getattr(turn, part) for part in parts}}


def whisper_data(call: Call) -> dict[str, Any]:
    """Whisper's transcript of the recording; empty until it is complete."""
    work = Transcription.objects.filter(call=call).first()
    is_ready = work is not None and work.status == Transcription.Status.READY
    return {
        "whisper_transcript": transcription.full_text(work) if work and is_ready else None,
        "whisper_segments": work.segments if work and is_ready else [],
        "whisper_status": work.status if work else None,
        "whisper_source": work.source if work and is_ready else None,
        "whisper_error": work.reason if work and work.status == Transcription.Status.FAILED else None,
    }


class CallFilters(serializers.Serializer[Any]):
    """The filters of a list of calls."""

    direction = serializers.ChoiceField(choices=Direction.choices, required=False)
    status = serializers.ChoiceField(choices=CallStatus.choices, required=False)
    phone_number_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    agent_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    date_from = DayOrTimeField(required=False)
    date_to = DayOrTimeField(required=False, end_of_day=True)
    sandbox = serializers.BooleanField(required=False, allow_null=True, default=None)
    voicemail_detected = serializers.BooleanField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "date_from" in attrs and "date_to" in attrs and attrs["date_to"] < attrs["date_from"]:
            raise serializers.ValidationError({"date_to": ["Must not be before `date_from`."]})
        return attrs


class RequiredText(ClearableText):
    """A text that must be there and say something."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": True, "allow_null": False, "allow_blank": False, **kwargs})


class ContextSerializer(StrictSerializer):
    """The body of POST /calls/{id}/context."""

    message = RequiredText(max_length=2000)


class SpeakSerializer(StrictSerializer):
    """The body of POST /calls/{id}/speak."""

    text = RequiredText(max_length=MAX_TEXT_CHARACTERS)


class TransferSerializer(StrictSerializer):
    """The body of POST /calls/{id}/transfer."""

    to = PhoneNumberField(allow_null=False, allow_blank=False)
    transfer_to = PhoneNumberField(allow_null=False, allow_blank=False)
    briefing = ClearableText(max_length=MAX_BRIEFING_CHARACTERS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("to" in attrs) == ("transfer_to" in attrs):
            raise serializers.ValidationError({"to": ["Send one number, as `to` or as `transfer_to`."]})
        return {"to": attrs.get("to") or attrs["transfer_to"], "briefing": attrs.get("briefing") or ""}


class CallSerializer(AgentSettingsSerializer):
    """The body of POST /calls: whom to call, and what of the agent is otherwise in this call alone."""

    to = PhoneNumberField(required=True, allow_null=False, allow_blank=False)
    mode = serializers.ChoiceField(CallMode.choices, required=False)
    model = ModelSlugField(max_length=80)
    agent_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_ID)
    dynamic_variables = VariablesField(required=False, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        # `from` is a word of Python's own.
        return {"from": PhoneNumberField(required=True, allow_null=False, allow_blank=False), **fields}
