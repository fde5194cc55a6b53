"""Actions that happen once however often their form is sent, and secrets that are shown once."""

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
from bubblyphone.core.waiting import before_waiting

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=HttpResponseBase)

# A second press of a button comes within seconds. Later the same form may be meant again.
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
# A page carries a token of its own, masked differently each time it is rendered; the cookie's, as scripts send it, is shorter.
PAGE_TOKEN_LENGTH = 64


def show_once(request: HttpRequest, name: str, text: str) -> None:
    """Keep a secret for the page after the redirect, which gets it by `take_shown_once`.

    Saved at once: a second press may be redirected to that page before the session's middleware would save.
    """
    request.session[f"once:{name}"] = encrypt(text)
    request.session.save()


def take_shown_once(request: HttpRequest, name: str) -> str:
    """The secret, the first time; "" afterwards."""
    encrypted = request.session.pop(f"once:{name}", "")
    try:
        return decrypt(encrypted) if encrypted else ""
    except InvalidToken:  # the keys were exchanged between the two requests
        return ""


def once(
    view: Callable[Concatenate[HttpRequest, P], Answer],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """The view as `act_once` calls it."""

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
    """Answer a POST. The same form of the same page, sent again within a minute, does nothing and gets the first one's answer.

    Only a redirect, or JSON with status 200, says that something was done; after any other answer the next request is
    carried out. Requests of htmx are not forms that a browser repeats, and are always carried out.
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
    """Of a press: who, where, and all that is sent. Scripts that send a form more than once add a value of their own each time."""
    files = sorted((name, file.name, file.size) for name, found in request.FILES.lists() for file in found)
    pressed = [str(request.user.pk or ""), request.get_full_path(), request.POST.urlencode(), repr(files)]
    return sha256("\0".join(pressed).encode()).hexdigest()


def _place_of(response: HttpResponseBase) -> str:
    """What another press gets; "" where nothing was done."""
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
    """Save messages before another press is redirected, not after the response: its page may be loaded before that."""
    stored = get_messages(request)
    if isinstance(stored, BaseStorage) and isinstance(response, HttpResponse):
        stored.update(response)
    if request.session.modified:
        with suppress(UpdateError):  # signed out meanwhile; the session's middleware answers that
            request.session.save()


def _claim(key: str) -> bool:
    """Whether the press is ours to carry out: nobody has sent it in the last minute."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [key, IN_FLIGHT, _expiry(), timezone.now()])
        return cursor.fetchone() is not None


def _expiry() -> datetime:
    return timezone.now() + timedelta(seconds=SAME_PRESS_SECONDS)


def purge() -> None:
    """Forget presses that may be meant again by now."""
    Press.objects.filter(expires_at__lt=timezone.now()).delete()
