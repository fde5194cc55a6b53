"""Samples of voices, for the agent editor."""

from django.http import HttpRequest, HttpResponse

from accounts.access import signed_in
from agents import selectors, speech, voice_samples
from bubblyphone.core.errors import ApplicationError, NotFound
from bubblyphone.core.network.waiting import run_waiting
from bubblyphone.core.pages.views import page

ONE_DAY = 86_400  # seconds


@page
def offline_voice(request: HttpRequest) -> HttpResponse:
    """The offline voice as a WAV file; 503 while it cannot speak."""
    try:
        sample = run_waiting(voice_samples.offline_sample)
    except (speech.SpeechError, TimeoutError):
        return HttpResponse(
            "The offline voice is unavailable right now. Try again.", status=503, content_type="text/plain"
        )
    return _sound(sample)


@page
def vendor_voice(request: HttpRequest) -> HttpResponse:
    """A WAV file of the voice `voice` of the model `model`; else a sentence for the reader, with the refusal's status."""
    try:
        model = selectors.find_model(request.GET.get("model", ""))
        if model is None:
            raise NotFound("There is no such model.")
        voice = request.GET.get("voice", "")
        return _sound(voice_samples.vendor_sample(developer=signed_in(request), model=model, voice=voice))
    except ApplicationError as error:
        return HttpResponse(error.message, status=error.status, content_type="text/plain; charset=utf-8")


def _sound(sample: bytes) -> HttpResponse:
    headers = {"Cache-Control": f"private, max-age={ONE_DAY}", "Content-Length": str(len(sample))}
    return HttpResponse(sample, content_type="audio/wav", headers=headers)
