"""`Idempotency-Key`: a repeated POST takes effect once, and every repeat gets the first answer.

    claim ──▶ in flight ──▶ answered     kept 24 h, replayed to repeats
                       └──▶ released     401, 429 and 5xx: the key is free again, as if it had not been used

A process that dies in between leaves the key in flight; after LEASE a repeat takes it over. What the dead request had
done by then is not known here, so the lease is longer than any request of ours takes.
"""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import IdempotentAnswer
from bubblyphone.core.api.error_responses import TOO_MANY_FIELDS, WHOLE_BODY
from bubblyphone.core.crypto import decrypt, encrypt
from bubblyphone.core.errors import Conflict, InvalidRequest

HEADER = "Idempotency-Key"
LONGEST_KEY = 255
LIFE = timedelta(hours=24)
LEASE = timedelta(seconds=60)
# Not stored, because they do not depend on the request itself (nor do 5xx).
_NOT_KEPT = frozenset({401, 429})


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request with a key."""

    pk: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """`body` is JSON, or empty for a 204."""

    status: int
    body: str


def claim_key(*, scope: str, key: str, fingerprint: str) -> Claim | StoredAnswer:
    """Claim the key for this request, or return its stored answer.

    Raises InvalidRequest for a key that was used for another request, Conflict while the first one is in flight.
    """
    if not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise InvalidRequest({HEADER: [f"Must be 1 to {LONGEST_KEY} printable ASCII characters."]})
    while True:
        now, token = timezone.now(), uuid.uuid4()
        try:
            with transaction.atomic():
                row = IdempotentAnswer.objects.create(
                    scope=scope, key=key, claim=token, fingerprint=fingerprint, created_at=now
                )
            return Claim(row.pk, token)
        except IntegrityError:
            held = IdempotentAnswer.objects.filter(scope=scope, key=key).first()
        if held is None:
            continue  # released meanwhile
        if not _is_free(held, fingerprint, now):
            return StoredAnswer(held.status or 0, decrypt(held.encrypted_body))
        # Whichever request updates the claim first owns the key; the others check again.
        free = IdempotentAnswer.objects.filter(pk=held.pk, claim=held.claim, status=held.status)
        if free.update(claim=token, fingerprint=fingerprint, status=None, encrypted_body="", created_at=now):
            return Claim(held.pk, token)


def _is_free(held: IdempotentAnswer, fingerprint: str, now: datetime) -> bool:
    if held.created_at < now - LIFE:
        return True
    if held.fingerprint != fingerprint:
        raise InvalidRequest({HEADER: ["This key was already used for a different request."]})
    if held.status is None and held.created_at >= now - LEASE:
        raise Conflict("A request with this Idempotency-Key is still in progress.")
    return held.status is None


def settle(claim: Claim, response: HttpResponse) -> None:
    """Store the answer for repeats, or release the key. Does nothing if another request has taken over the key."""
    row = IdempotentAnswer.objects.filter(pk=claim.pk, claim=claim.token)
    if response.status_code in _NOT_KEPT or response.status_code >= 500:
        row.delete()
    else:
        row.update(status=response.status_code, encrypted_body=encrypt(response.content.decode()))


def fingerprint_of(request: HttpRequest, *, is_form: bool = False) -> str:
    """Identifies a request by path, query and body.

    Keyed, because bodies can contain passwords. For forms, fields and files count, but not the boundary, which clients generate again for
    each repeat. Raises InvalidRequest for a malformed form, RequestDataTooBig for a field larger than Django keeps in memory.
    """
    digest = hashlib.sha256(f"{request.get_full_path()}\n".encode())
    if is_form:
        for part in _parts_of_form(request):
            digest.update(repr(part).encode())
    else:
        digest.update(request.body)
    return salted_hmac("accounts.idempotency", digest.hexdigest(), algorithm="sha256").hexdigest()


def _parts_of_form(request: HttpRequest) -> Iterator[tuple[object, ...]]:
    try:
        fields = sorted(request.POST.lists())
    except MultiPartParserError as error:
        raise InvalidRequest({WHOLE_BODY: [f"Multipart form parse error - {error}"]}) from error
    except (TooManyFieldsSent, TooManyFilesSent) as error:
        raise InvalidRequest({WHOLE_BODY: [TOO_MANY_FIELDS]}) from error
    yield from fields
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            yield name, file.name, _hash_of(file)


def _hash_of(file: "UploadedFile[bytes]") -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()
