"""Calls with their timeline, read-only. Transcripts belong to the developer and are not shown."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from bubblyphone.core.admin import GrowingListAdmin, ReadOnlyAdmin
from calls.models import Call, CallEvent, MediaNode


class EventInline(admin.TabularInline[CallEvent, Call]):
    model = CallEvent
    verbose_name_plural = "timeline"
    extra = 0
    can_delete = False
    fields = ["event_timestamp", "event_type", "source", "metadata"]
    readonly_fields = ["event_timestamp", "event_type", "source", "metadata"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Call)
class CallAdmin(GrowingListAdmin):
    list_display = [
        "id", "developer", "direction", "from_number", "to_number", "mode", "status", "hangup_cause", "duration_seconds",
        "total_cost", "started_at",
    ]  # fmt: skip
    list_select_related = ["developer"]
    list_filter = ["status", "hangup_cause", "direction", "mode", "sandbox"]
    lookups = ("from_number", "to_number", "carrier_call_id")
    ordering = ["-id"]
    inlines = [EventInline]
    fields = [
        "developer", "phone_number", "agent", "direction", "from_number", "to_number", "mode", "model_slug", "sandbox", "status",
        "hangup_cause", "voicemail_detected", "recording_enabled", "started_at", "answered_at", "transferred_at", "ended_at",
        "settled_at", "duration_seconds", "telephony_rate", "telephony_cost", "model_rate", "model_cost", "transfer_rate",
        "transcription_cost", "analysis_cost", "total_cost", "carrier_call_id",
    ]  # fmt: skip


@admin.register(MediaNode)
class MediaNodeAdmin(ReadOnlyAdmin):
    list_display = ["name", "url", "seen_at", "accepts_calls", "calls", "late_frames", "lost_frames"]
