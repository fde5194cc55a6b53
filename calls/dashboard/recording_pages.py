"""The recording and analysis on a call's page, and the address that a recording is fetched from."""

from typing import IO, Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from bubblyphone.core.errors import ApplicationError, NotFound
from bubblyphone.core.pages.views import page, page_action, show_refusal
from calls import selectors
from calls.after_call import recording_access, waveform
from calls.after_call.byte_ranges import ranged_response
from calls.after_call.recording_files import storage
from calls.dashboard.call_page import live_context
from calls.models import Recording

# Some of these parts show the call itself, the others what was made from it afterwards.
PANELS = ("player", "live_summary", "whisper", "analysis")
OF_THE_CALL = ("player", "live_summary")


@never_cache
@require_safe
async def recording_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """The audio behind a signed URL: for players and programs, without any other key."""
    try:
        recording, file = await sync_to_async(_open_recording)(token)
    except (NotFound, FileNotFoundError) as error:
        raise Http404("The recording does not exist or was deleted.") from error
    response = ranged_response(
        file,
        recording.size_bytes or 0,
        content_type="audio/wav",
        wanted=request.headers.get("Range", ""),
        head=request.method == "HEAD",
    )
    response["Content-Disposition"] = f'inline; filename="call-{recording.call_id}.wav"'
    return response


def _open_recording(token: str) -> tuple[Recording, IO[Any]]:
    """Does not hold the database connection while the file is sent, which takes as long as the client needs."""
    try:
        recording = recording_access.find_by_token(token)
    finally:
        if not connection.in_atomic_block:  # a caller's transaction must not be ended here
            connection.close()
    return recording, storage().open(recording.name)


@page
def drawing(request: HttpRequest, identifier: str) -> HttpResponse:
    """The loudness of the recording over time, as an SVG. It never changes. Refusals, such as a redirect to sign-in, are not cached."""
    recording = recording_access.get_recording(selectors.get_call(signed_in(request), identifier))
    try:
        svg = waveform.waveform_svg(recording)
    except OSError as error:
        raise Http404 from error
    return HttpResponse(svg, content_type="image/svg+xml", headers={"Cache-Control": "private, max-age=86400"})


@page
def panel(request: HttpRequest, identifier: str, name: str) -> HttpResponse:
    """One part of a call's page, which reloads as long as it may change."""
    call = selectors.get_call(signed_in(request), identifier)
    if name not in PANELS:
        raise Http404
    context = live_context(call) if name in OF_THE_CALL else {"call": call}
    return render(request, f"calls/_{name}.html", context)


@page_action
def delete_recording(request: HttpRequest, identifier: str) -> HttpResponse:
    call = selectors.get_call(signed_in(request), identifier)
    try:
        recording_access.delete(call)
        messages.success(request, "Recording deleted.")
    except ApplicationError as error:
        show_refusal(request, error)
    return redirect("call", identifier)
