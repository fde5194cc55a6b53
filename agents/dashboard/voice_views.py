"""Samples of voices, for the agent editor."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from agents import speech, voice_samples
from bubblyphone.core.pages import page
from bubblyphone.core.waiting import run_waiting

ONE_DAY = 86_400  # seconds


@require_safe
@page
def offline_voice(request: HttpRequest) -> HttpResponse:
    """The offline voice as a WAV file; 503 while it cannot speak."""
    try:
        sample = run_waiting(voice_samples.offline_sample)
    except (speech.SpeechError, TimeoutError):
        return HttpResponse(
            "The offline voice is unavailable right now. Try again.", status=503, content_type="text/plain"
        )
    headers = {"Cache-Control": f"private, max-age={ONE_DAY}", "Content-Length": str(len(sample))}
    return HttpResponse(sample, content_type="audio/wav", headers=headers)
