"""What is there of a call when it is over, for templates."""

from typing import Any

from django import template
from django.conf import settings

from calls.after_call import analysis, recording_access
from calls.dashboard.timeline_chart import clock_zero
from calls.dashboard.wording import value_in_words
from calls.models import Call, Recording, Transcription

register = template.Library()


@register.simple_tag
def recording_of(call: Call) -> Recording | None:
    return Recording.objects.filter(call=call).first()


@register.simple_tag
def recording_url(recording: Recording) -> str:
    """An address for this page's player: on the host that the page came from, whatever its name."""
    return recording_access.signed_url(recording).url.removeprefix(settings.PUBLIC_URL)


@register.simple_tag
def recording_begins(recording: Recording, call: Call) -> float:
    """On the clock of the call's page, in seconds."""
    return (recording.started_at - clock_zero(call)).total_seconds()


@register.simple_tag
def transcription_of(call: Call) -> Transcription | None:
    return Transcription.objects.filter(call=call).first()


@register.simple_tag
def analysis_of(call: Call) -> dict[str, Any] | None:
    """The analysis with its fields as (name, value); None where none was asked for."""
    if not analysis.schema_of(call):
        return None
    return {"work": analysis.find(call), "fields": analysis_values(call)}


@register.filter
def analysis_values(call: Call) -> list[tuple[str, str]]:
    """The fields of the analysis with their values; [] while there is none."""
    if call.analysis_result is None:
        return []
    return [
        (name.replace("_", " "), value_in_words(call.analysis_result.get(name)))
        for name in analysis.schema_of(call) or ()
    ]
