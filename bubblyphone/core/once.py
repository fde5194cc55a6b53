"""Actions that happen once however often their form is sent, and secrets that are shown once."""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import Concatenate, ParamSpec

from cryptography.fernet import InvalidToken
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from bubblyphone.core.crypto import decrypt, encrypt

P = ParamSpec("P")

# A second press of a button comes within seconds. Later the same form may be meant again.
SAME_PRESS_SECONDS = 60
LONGEST_WAIT_SECONDS = 20.0
POLL_SECONDS = 0.05
IN_FLIGHT = ""
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
    press = sha256(b"\0".join([request.get_full_path().encode(), request.POST.urlencode().encode()])).hexdigest()
    key = f"press:{request.user.pk or ''}:{press}"
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while not cache.add(key, IN_FLIGHT, SAME_PRESS_SECONDS):
        place = cache.get(key)
        if place:
            return HttpResponseRedirect(place)
        if place == IN_FLIGHT and time.monotonic() > deadline:
            return HttpResponse(
                "Your first request is still being processed. Reload the page to see the result.", status=409
            )
        _wait()
    try:
        response = view(request, *args, **kwargs)
    except BaseException:
        cache.delete(key)
        raise
    if isinstance(response, HttpResponseRedirect):
        cache.set(key, response.url, SAME_PRESS_SECONDS)
    else:
        cache.delete(key)
    return response


def _wait() -> None:
    """Wait for the first request without keeping a database connection from others."""
    if not connection.in_atomic_block:
        connection.close()
    time.sleep(POLL_SECONDS)
