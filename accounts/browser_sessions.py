"""Browser sessions as their owner sees them: where they were used, since when, and how to end one."""

import re
import time
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY, user_logged_out
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import BrowserSession, Developer
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.middleware import Middleware, is_api
from bubblyphone.core.network.http import client_address

# In the session: when its row was last written (Unix seconds).
SEEN = "seen_at"
# People read "last seen": a precision of ten minutes is enough and saves a write per page.
SEEN_STEP_SECONDS = 600
# The first of these found in a User-Agent names the browser: most browsers also send the names of others.
BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS": "macOS",
    "Linux": "Linux",
}


class BrowserSessionMiddleware(Middleware):
    """Maintains the row of a page request's session. API sessions have none."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _is_due(request) and request.user.is_authenticated:
            _write(request)
        return self.get_response(request)


def _is_due(request: HttpRequest) -> bool:
    """Whether the request has a signed-in session whose row is old or missing."""
    if is_api(request) or settings.SESSION_COOKIE_NAME not in request.COOKIES or SESSION_KEY not in request.session:
        return False
    return bool(time.time() - request.session.get(SEEN, 0) > SEEN_STEP_SECONDS)


def _write(request: HttpRequest) -> None:
    seen = {
        "user_agent": request.headers.get("User-Agent", "")[:300],
        "address": client_address(request)[:45],
        "last_seen_at": timezone.now(),
    }
    owner = {"developer_id": request.user.pk}
    BrowserSession.objects.update_or_create(
        session_key=request.session.session_key, defaults={**owner, **seen}, create_defaults={**owner, **seen}
    )
    request.session[SEEN] = int(time.time())


def forget_session_row(request: HttpRequest) -> None:
    """The session has a new key, or its row was deleted: the next page request writes a new one."""
    request.session.pop(SEEN, None)


def open_browser_sessions(developer: Developer) -> QuerySet[BrowserSession]:
    """Sessions that have not expired, most recently used first."""
    begin = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return BrowserSession.objects.filter(developer=developer, last_seen_at__gt=begin).order_by("-last_seen_at")


def sign_out(*, developer: Developer, pk: int) -> None:
    """End a session. Raises NotFound if it is not the developer's."""
    found = get_row(BrowserSession.objects.filter(developer=developer), pk=pk)
    import_module(settings.SESSION_ENGINE).SessionStore(found.session_key).delete()
    found.delete()


def forget(sender: object, request: HttpRequest, **kwargs: Any) -> None:
    """Receiver of user_logged_out."""
    BrowserSession.objects.filter(session_key=request.session.session_key).delete()


user_logged_out.connect(forget, dispatch_uid="accounts.browser_sessions")


def device_of(user_agent: str) -> str:
    """ "Firefox on Linux", as far as the User-Agent reveals it."""
    browser = next((name for word, name in BROWSERS.items() if f"{word}/" in user_agent), "A browser")
    system = next((name for word, name in SYSTEMS.items() if re.search(word, user_agent)), "")
    return f"{browser} on {system}" if system else browser
