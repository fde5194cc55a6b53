"""WebSockets that pages open: whose they are, by the session cookie, at the start and as long as they last."""

import asyncio
import contextlib
from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import HttpRequest

from accounts.models import Developer

# How often the database is asked whether a page is still signed in.
LOOK_SECONDS = 10.0


def is_same_origin(scope: Mapping[str, Any]) -> bool:
    """Whether the page that opened the socket is ours. Cookies alone do not say that: browsers send them with any page's socket."""
    headers = dict(scope["headers"])
    try:
        origin = urlsplit(headers.get(b"origin", b"").decode("latin-1"))
    except ValueError:  # not even a URL
        return False
    own = {headers.get(b"host", b"").decode("latin-1"), urlsplit(settings.PUBLIC_URL).netloc}
    return origin.scheme in {"http", "https"} and origin.netloc in own


def developer_of(scope: Mapping[str, Any]) -> Developer | None:
    """Who is signed in, in a scope that has been through Channels' session authentication."""
    user = scope["user"]
    return user if isinstance(user, Developer) else None


def is_still_signed_in(session_key: str, developer_id: int) -> bool:
    """Whether a session goes on: not signed out, here or elsewhere, nor its account deactivated. Asks the database."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
    return user.is_authenticated and user.pk == developer_id


async def until_signed_out(session_key: str, developer_id: int) -> None:
    """Returns when the session is over. While the database is away, it goes on."""
    is_there = True
    while is_there:
        await asyncio.sleep(LOOK_SECONDS)
        with contextlib.suppress(DatabaseError):
            is_there = await database_sync_to_async(is_still_signed_in)(session_key, developer_id)
