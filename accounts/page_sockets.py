"""WebSockets opened by pages: the session cookie identifies their owner, at the start and for as long as they last."""

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
    """Whether one of our pages opened the socket. Cookies do not prove it: browsers send them with any page's socket."""
    headers = dict(scope["headers"])
    try:
        origin = urlsplit(headers.get(b"origin", b"").decode("latin-1"))
    except ValueError:  # not even a URL
        return False
    own = {headers.get(b"host", b"").decode("latin-1"), urlsplit(settings.PUBLIC_URL).netloc}
    return origin.scheme in {"http", "https"} and origin.netloc in own


def developer_of(scope: Mapping[str, Any]) -> Developer | None:
    """The signed-in developer of a scope that passed Channels' session authentication."""
    user = scope["user"]
    return user if isinstance(user, Developer) else None


def is_still_signed_in(session_key: str, developer_id: int) -> bool:
    """Whether a session is still valid: not signed out, here or elsewhere, and its account not deactivated. Queries the database."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=session)))
    return user.is_authenticated and user.pk == developer_id


async def until_signed_out(session_key: str, developer_id: int) -> None:
    """Returns when the session is over. Keeps waiting while the database is unavailable."""
    is_there = True
    while is_there:
        await asyncio.sleep(LOOK_SECONDS)
        with contextlib.suppress(DatabaseError):
            is_there = await database_sync_to_async(is_still_signed_in)(session_key, developer_id)
