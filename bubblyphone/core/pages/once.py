"""Actions that run once however often their form is submitted, and secrets that are shown once."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Concatenate, ParamSpec, TypeVar

from cryptography.fernet import InvalidToken
from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import BaseStorage
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.utils import timezone

from bubblyphone.core.crypto import decrypt, encrypt
from bubblyphone.core.models import Press
from bubblyphone.core.network.waiting import before_waiting

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)

# A second click comes within seconds. Later, submitting the same form may be intended.
SAME_PRESS_SECONDS = 60
LONGEST_WAIT_SECONDS = 20.0
POLL_SECONDS = 0.05
IN_FLIGHT = ""
JSON = "json:"  # before an encrypted answer that is no redirect
# In one statement, so that of two presses at the same moment one is the first. In the database, as it must not depend on a cache.
CLAIM = """
INSERT INTO core_press (key, place, expires_at) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET place = EXCLUDED.place, expires_at = EXCLUDED.expires_at WHERE core_press.expires_at <= %s
RETURNING key
"""
# A page contains its own token, masked differently on each rendering; the cookie's token, as sent by scripts, is shorter.
PAGE_TOKEN_LENGTH = 64


def show_once(request: HttpRequest, name: str, text: str) -> None:
    """Store a secret for the page after the redirect, which reads it with `take_shown_once`.

    Saved immediately: a second click may be redirected to that page before the session middleware would save.
    """
    request.session[f"once:{name}"] = encrypt(text)
    request.session.save()


def take_shown_once(request: HttpRequest, name: str) -> str:
    """The secret, the first time; "" afterwards."""
    encrypted = request.session.pop(f"once:{name}", "")
    try:
        return decrypt(encrypted) if encrypted else ""
    except InvalidToken:  # the encryption keys changed between the two requests
        return ""


def once(
    view: Callable[Concatenate[HttpRequest, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view that runs through `act_once`."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        return act_once(request, view, *args, **kwargs)

    return wrapped


def act_once(
    request: HttpRequest,
    view: Callable[Concatenate[HttpRequest, P], Answer],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Answer | HttpResponse:
    """Handle a POST.

    Submitting the same form of the same page again within a minute has no effect and gets the first response. Only a redirect, or JSON
    with status 200, counts as done; after any other response the next request is executed. Browsers do not repeat htmx requests, which
    are always executed.
    """
    token = request.POST.get("csrfmiddlewaretoken", "") if request.method == "POST" else ""
    if len(token) != PAGE_TOKEN_LENGTH or "HX-Request" in request.headers:
        return view(request, *args, **kwargs)
    key = _key_of(request)
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not _claim(key):
        place = Press.objects.filter(pk=key).values_list("place", flat=True).first()
        if place:
            return _replayed(place)
        if place == IN_FLIGHT and time.monotonic() > deadline:
            return HttpResponse(
                "Your first request is still being processed. Reload the page to see the result.", status=409
            )
        before_waiting()
        time.sleep(POLL_SECONDS)
    try:
        response = view(request, *args, **kwargs)
    except BaseException:
        Press.objects.filter(pk=key).delete()
        raise
    if place := _place_of(response):
        _store_messages(request, response)
        Press.objects.filter(pk=key).update(place=place, expires_at=_expiry())
    else:
        Press.objects.filter(pk=key).delete()
    return response


def _key_of(request: HttpRequest) -> str:
    """The key of a submission: user, page, and all posted data.

    Scripts that submit a form more than once add a unique value each time.
    """
    files = sorted((name, file.name, file.size) for name, found in request.FILES.lists() for file in found)
    pressed = [str(request.user.pk or ""), request.get_full_path(), request.POST.urlencode(), repr(files)]
    return sha256("\0".join(pressed).encode()).hexdigest()


def _place_of(response: HttpResponseBase) -> str:
    """The response for repeated submissions; "" if nothing was done."""
    if isinstance(response, HttpResponseRedirect):
        return response.url
    if isinstance(response, JsonResponse) and response.status_code == 200:
        return JSON + encrypt(response.content.decode())
    return ""


def _replayed(place: str) -> HttpResponse:
    if place.startswith(JSON):
        return HttpResponse(decrypt(place.removeprefix(JSON)), content_type="application/json")
    return HttpResponseRedirect(place)


def _store_messages(request: HttpRequest, response: HttpResponseBase) -> None:
    """Save messages before a repeated submission is redirected, not after the response: its page may load before that."""
    stored = get_messages(request)
    if isinstance(stored, BaseStorage) and isinstance(response, HttpResponse):
        stored.update(response)
    if request.session.modified:
        with suppress(UpdateError):  # signed out meanwhile; the session middleware handles that
            request.session.save()


def _claim(key: str) -> bool:
    """Whether this submission should run: there was no identical one in the last minute."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [key, IN_FLIGHT, _expiry(), timezone.now()])
        return cursor.fetchone() is not None


def _expiry() -> datetime:
    return timezone.now() + timedelta(seconds=SAME_PRESS_SECONDS)


def purge() -> None:
    """Delete submissions older than the repeat window."""
    Press.objects.filter(expires_at__lt=timezone.now()).delete()
