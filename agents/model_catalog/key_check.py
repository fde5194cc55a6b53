"""Asks a provider whether a developer's own key works, with the cheapest authenticated request: the list of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from django.conf import settings

from agents.models import ModelKey
from bubblyphone.core.crypto import decrypt
from bubblyphone.core.errors import UpstreamFailed
from bubblyphone.core.network.waiting import http_client
from bubblyphone.core.redis.ratelimit import at_most

AT_ONCE = 2  # concurrent checks per account
LEASE_SECONDS = 30  # longer than a check takes
TOTAL_SECONDS = 10.0
CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """A provider's verdict on a key, in our words, because the provider's own message may repeat parts of the key."""

    ok: bool
    message: str


def check_model_key(*, key: ModelKey) -> KeyCheck:
    """Check a key with its provider, outside of transactions.

    Raises UpstreamFailed if it cannot be reached or gives no clear answer, TooManyRequests while two other checks are running.
    """
    name, message = key.get_provider_display(), "Two key tests are already running."
    url, headers = _request_for(key)
    place = at_most(AT_ONCE, f"key-check:{key.developer_id}", lease_seconds=LEASE_SECONDS, message=message)
    try:
        with place, http_client(url, timeout=httpx2.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS)) as client:
            status = client.get(url, headers=headers).status_code
    except httpx2.HTTPError as error:
        raise UpstreamFailed(f"{name} could not be reached.") from error
    return _verdict(status, name, key.provider)


def _request_for(key: ModelKey) -> tuple[httpx2.URL, dict[str, str]]:
    """https://platform.openai.com/docs/api-reference/models/list, https://ai.google.dev/api/models#method:-models.list"""
    entry: Mapping[str, Any] = settings.MODEL_PROVIDERS[key.provider]
    options = entry["OPTIONS"]
    base_url = options["base_url"].rstrip("/")
    secret = decrypt(key.encrypted)
    if key.provider == "google":
        return httpx2.URL(f"{base_url}/{options['api_version']}/models?pageSize=1"), {"x-goog-api-key": secret}
    return httpx2.URL(f"{base_url}/models"), {"Authorization": f"Bearer {secret}"}


def _verdict(status: int, name: str, provider: str) -> KeyCheck:
    if status == 200:
        return KeyCheck(ok=True, message=f"{name} accepts this key.")
    # Google answers an invalid key with 400 INVALID_ARGUMENT; nothing else in the request could be invalid.
    if status in {401, 403} or (provider == "google" and status == 400):
        return KeyCheck(ok=False, message=f"{name} rejected this key.")
    if status == 429:
        return KeyCheck(ok=False, message=f"{name} accepts this key, but its quota or rate limit is exceeded.")
    raise UpstreamFailed(f"{name} responded with status {status}. Try again later.")
