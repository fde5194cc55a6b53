"""Outgoing webhooks: their bytes, their signature, and the outbox they are written to.

A message is written in the transaction of what it reports (`publish`) and sent by `webhooks.delivery`. A live call
sends its tool calls by itself and only has them recorded (`begin_exchange`, `end_exchange`).
"""

import hashlib
import hmac
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Developer, SigningSecret, WebhookAttempt, WebhookDelivery
from bubblyphone.core.crypto import decrypt, encrypt, make_secret
from webhooks.outbound_http import PostResult

CHANNEL = "webhook_deliveries"
USER_AGENT = "BubblyPhone-Webhooks/1.0"
PREVIOUS_SECRET_LIFETIME = timedelta(hours=24)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# The keys that JavaScript puts first, in numeric order: array indices (ECMA-262, OrdinaryOwnPropertyKeys).
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_ARRAY_INDEX = 2**32 - 2


# --- secrets ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SigningKeys:
    """A signing secret in the clear, for as long as something is to be signed with it. Never logged, never stored."""

    current: str = field(repr=False)
    previous: str = field(default="", repr=False)
    previous_valid_until: datetime | None = None

    def valid_at(self, timestamp: int) -> list[str]:
        """The keys that sign at a time in Unix seconds, newest first."""
        lapses = self.previous_valid_until
        if self.previous and lapses is not None and datetime.fromtimestamp(timestamp, UTC) < lapses:
            return [self.current, self.previous]
        return [self.current]


def make_signing_secret(*, developer: Developer) -> tuple[SigningSecret, str]:
    """A new secret and its plaintext `whsec_…`, which is shown once."""
    plaintext = make_secret("whsec_")
    return SigningSecret.objects.create(developer=developer, encrypted=encrypt(plaintext)), plaintext


def rotate_signing_secret(*, secret_id: int) -> str:
    """Replace the key and give its plaintext. The old one signs beside it for 24 h; one before that ends now."""
    plaintext = make_secret("whsec_")
    with transaction.atomic():
        secret = SigningSecret.objects.select_for_update().get(pk=secret_id)
        secret.previous_encrypted = secret.encrypted
        secret.previous_valid_until = timezone.now() + PREVIOUS_SECRET_LIFETIME
        secret.encrypted = encrypt(plaintext)
        secret.save()
    return plaintext


def signing_keys(secret: SigningSecret) -> SigningKeys:
    """Decrypt. Raises cryptography.fernet.InvalidToken when ENCRYPTION_KEYS has lost the key."""
    previous = decrypt(secret.previous_encrypted) if secret.previous_encrypted else ""
    return SigningKeys(decrypt(secret.encrypted), previous, secret.previous_valid_until)


# --- bytes ------------------------------------------------------------------------------------------------------------
def encode_body(payload: Mapping[str, Any]) -> str:
    """Compact JSON whose UTF-8 bytes equal JavaScript's `JSON.stringify(JSON.parse(body))`.

    Published sample code parses the body first and verifies the signature over `JSON.stringify(body)`. With any other bytes
    (`1.0`, keys in another order, escaped non-ASCII text) such receivers would reject a valid signature.

    Numbers become what a double holds (1.0 is `1`, 0.10 is `0.1`, not a number is `null`). Raises TypeError for a value
    that JSON does not have and ValueError for one that is nested too deeply.
    """
    try:
        return _encode(payload)
    except RecursionError as error:
        raise ValueError("The payload is nested too deeply.") from error


def _encode(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _encode_text(_pair_surrogates(value))
        case int() | float() | Decimal():
            return _encode_number(value)
        case Mapping():
            return "{" + ",".join(f"{_encode_text(key)}:{_encode(item)}" for key, item in _in_js_order(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encode_text(text: str) -> str:
    """Quoted; a surrogate without its partner stays an escape, since UTF-8 has no bytes for it."""
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _pair_surrogates(text: str) -> str:
    if not _LONE_SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _in_js_order(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    items: dict[str, Any] = {}
    for key, item in mapping.items():
        if not isinstance(key, str):
            raise TypeError(f"{type(key).__name__} cannot be a key in JSON")
        items[_pair_surrogates(key)] = item
    indices = sorted((key for key in items if _is_array_index(key)), key=int)
    return [(key, items.pop(key)) for key in indices] + list(items.items())


def _is_array_index(key: str) -> bool:
    return _ARRAY_INDEX.fullmatch(key) is not None and int(key) <= _LARGEST_ARRAY_INDEX


def _encode_number(value: int | float | Decimal) -> str:
    """ECMA-262, Number::toString. Python's repr of a float has the same shortest digits; only their layout differs."""
    try:
        number = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(number):
        return "null"
    if number == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, digit_tuple))
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the first digit
    minus = "-" if sign else ""
    if len(digits) <= point <= 21:
        return minus + digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{digits.rjust(len(digits) - point, '0')}"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{minus}{mantissa}e{point - 1:+d}"


def signature_headers(keys: SigningKeys, body: str, webhook_id: uuid.UUID, timestamp: int) -> dict[str, str]:
    """All headers of one attempt at `timestamp` (Unix seconds). Of two valid keys both sign, the newest first."""
    message = f"{timestamp}.{body}".encode()
    digests = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest() for key in keys.valid_at(timestamp)]
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Signature": ",".join(f"sha256={digest}" for digest in digests),
        "X-Timestamp": str(timestamp),
        "X-Webhook-Id": str(webhook_id),
    }


# --- the outbox -------------------------------------------------------------------------------------------------------
def publish(
    *,
    developer_id: int,
    signing_secret_id: int,
    subject: str,
    event_type: str,
    url: str,
    payload: Mapping[str, Any],
    wants_reply: bool = False,
) -> WebhookDelivery:
    """Put a message into the outbox, in the caller's transaction: it exists if and only if what it reports does.

    The dispatcher is woken when that transaction commits. `subject` is like "call:42". With `wants_reply` the answer is
    carried out (`webhooks.replies`), and one that cannot be counts as a failure.
    """
    with transaction.atomic():
        delivery = WebhookDelivery.objects.create(
            webhook_id=uuid.uuid4(),
            developer_id=developer_id,
            signing_secret_id=signing_secret_id,
            subject=subject,
            event_type=event_type,
            url=url,
            body=encode_body(payload),
            wants_reply=wants_reply,
        )
        wake_dispatcher()
    return delivery


def wake_dispatcher() -> None:
    """Have the outbox looked at when this transaction has committed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


@dataclass(frozen=True, slots=True)
class Exchange:
    """A POST that a live call makes itself, outside of the outbox: it is sent once, whatever becomes of it."""

    developer_id: int
    signing_secret_id: int
    subject: str
    event_type: str
    webhook_id: uuid.UUID
    url: str
    body: str
    started_at: datetime


def begin_exchange(exchange: Exchange) -> WebhookDelivery:
    """Write down that a POST is about to leave, so that it is in the log even if this process dies before the answer.

    No dispatcher sends it: it has no time of a next attempt.
    """
    return WebhookDelivery.objects.get_or_create(
        webhook_id=exchange.webhook_id,
        defaults={
            "developer_id": exchange.developer_id,
            "signing_secret_id": exchange.signing_secret_id,
            "subject": exchange.subject,
            "event_type": exchange.event_type,
            "url": exchange.url,
            "body": exchange.body,
            "next_attempt_at": None,
            "created_at": exchange.started_at,
        },
    )[0]


def end_exchange(exchange: Exchange, result: PostResult) -> None:
    """Write down what came of it, once."""
    with transaction.atomic():
        delivery = begin_exchange(exchange)
        status = WebhookDelivery.Status.DELIVERED if result.is_success else WebhookDelivery.Status.FAILED
        unanswered = WebhookDelivery.objects.filter(pk=delivery.pk, attempt_count=0)
        if unanswered.update(status=status, attempt_count=1):
            record_attempt(delivery=delivery, number=1, result=result, started_at=exchange.started_at)


def lost_exchanges(before: datetime) -> list[WebhookDelivery]:
    """Exchanges begun before that time whose process died before it could write down the answer; none of them is running.

    Call it in a transaction: they are locked, and `end_exchange` waits.
    """
    pending = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING, next_attempt_at=None)
    return list(pending.filter(attempt_count=0, created_at__lt=before).select_for_update(skip_locked=True))


def give_up_exchange(delivery: WebhookDelivery, reason: str) -> None:
    """End a lost exchange, of which nothing more will be known."""
    WebhookDelivery.objects.filter(pk=delivery.pk).update(status=WebhookDelivery.Status.FAILED, attempt_count=1)
    record_attempt(delivery=delivery, number=1, result=PostResult(None, "", 0, reason), started_at=delivery.created_at)


def record_attempt(
    *, delivery: WebhookDelivery, number: int, result: PostResult, started_at: datetime
) -> WebhookAttempt:
    """The row of one POST."""
    return WebhookAttempt.objects.create(
        delivery=delivery,
        number=number,
        response_status=result.status,
        response_body=result.body,
        latency_ms=result.latency_ms,
        success=result.is_success,
        error_message=result.error,
        created_at=started_at,
    )
