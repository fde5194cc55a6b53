"""Authenticates API requests: the Bearer is an API key (`bp_live_sk_…`) or a session token (`id|secret`)."""

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiKey, Developer, SessionToken
from bubblyphone.core.crypto import hash_secret
from bubblyphone.core.database.prepared_queries import PreparedQuery

KEY_PREFIX = "bp_live_sk_"
# People read `last_used_at`: a precision of one minute is enough and saves a write per request.
LAST_USED_STEP = timedelta(minutes=1)
_VALID_KEY = PreparedQuery(
    lambda secret_hash: ApiKey.objects.select_related("developer").filter(
        secret_hash=secret_hash, revoked_at=None, developer__is_active=True
    )
)
_SESSION_TOKEN = re.compile(r"(?a:(\d{1,18})\|([\w-]{20,100}))")


@dataclass(frozen=True, slots=True)
class Credential:
    """A key or token that is currently valid."""

    developer: Developer
    token: ApiKey | SessionToken

    @property
    def scope(self) -> str:
        """The scope of its stored idempotent answers. A standard key cannot read answers that required an admin key."""
        is_ordinary = isinstance(self.token, ApiKey) and not self.token.is_admin
        return f"developer:{self.developer.pk}{':key' if is_ordinary else ''}"

    @property
    def bucket(self) -> str:
        """The rate limit bucket of its requests."""
        return f"{self.token._meta.model_name}:{self.token.pk}"


def identify(request: HttpRequest) -> Credential | None:
    """The request's valid credential, looked up once per request; None without one."""
    if not hasattr(request, "_credential"):
        request._credential = _look_up(_bearer(request))  # type: ignore[attr-defined]
    return request._credential  # type: ignore[attr-defined, no-any-return]


class TokenAuthentication(BaseAuthentication):
    """DRF's view of `identify`. `request.user` is the developer, `request.auth` the ApiKey or SessionToken."""

    def authenticate(self, request: Request) -> tuple[Developer, ApiKey | SessionToken] | None:
        credential = identify(request._request)
        if credential is None:
            if get_authorization_header(request):
                raise AuthenticationFailed
            return None
        return credential.developer, credential.token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _bearer(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _look_up(bearer: str) -> Credential | None:
    if bearer.startswith(KEY_PREFIX):
        return _look_up_key(bearer)
    if match := _SESSION_TOKEN.fullmatch(bearer):
        return _look_up_session(int(match[1]), match[2])
    return None


def _look_up_key(bearer: str) -> Credential | None:
    key = next(iter(_VALID_KEY.fetch(hash_secret(bearer))), None)
    if key is None:
        return None
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - LAST_USED_STEP:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_STEP)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return Credential(key.developer, key)


def _look_up_session(pk: int, secret: str) -> Credential | None:
    found = SessionToken.objects.select_related("developer").filter(
        pk=pk, expires_at__gt=timezone.now(), developer__is_active=True
    )[:1]
    token = next(iter(found), None)
    if token is None or not hmac.compare_digest(token.secret_hash, hash_secret(secret)):
        return None
    return Credential(token.developer, token)
