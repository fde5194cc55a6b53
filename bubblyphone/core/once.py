"""Actions that happen once however often their form is sent, and secrets that are shown once."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Concatenate, ParamSpec

from cryptography.fernet import InvalidToken
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from bubblyphone.core.crypto import decrypt, encrypt
from bubblyphone.core.models import Press
from bubblyphone.core.waiting import before_waiting

P = ParamSpec("P")

# A second press of a button comes within seconds. Later the same form may be meant again.
SAME_PRESS_SECONDS = 60
LONGEST_WAIT_SECONDS = 20.0
POLL_SECONDS = 0.05
IN_FLIGHT = ""
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
    kept = request.session.pop(f"once:{name}", "")
    try:
        return decrypt(kept) if kept else ""
    except InvalidToken:  # the keys were exchanged between the two requests
        return ""


def act_once(
    request: HttpRequest,
    view: Callable[Concatenate[HttpRequest, P], HttpResponse],
    *args: P.args,
    **kwargs: P.kwargs,
) -> HttpResponse:
    """Answer a POST. The same form of the same page, sent again within a minute, does nothing and gets the first one's redirect.

    A request that ended without a redirect did nothing, so the next one is carried out. Requests of htmx are not forms
    that a browser repeats, and are always carried out.
    """
    token = request.POST.get("csrfmiddlewaretoken", "")
    if request.method != "POST" or len(token) != PAGE_TOKEN_LENGTH or "HX-Request" in request.headers:
        return view(request, *args, **kwargs)
    pressed = [str(request.user.pk or ""), request.get_full_path(), request.POST.urlencode()]
    key = sha256("\0".join(pressed).encode()).hexdigest()
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not _claim(key):
        place = Press.objects.filter(pk=key).values_list("place", flat=True).first()
        if place:
            return HttpResponseRedirect(place)
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
    if isinstance(response, HttpResponseRedirect):
        Press.objects.filter(pk=key).update(place=response.url, expires_at=_expiry())
    else:
        Press.objects.filter(pk=key).delete()
    return response


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
