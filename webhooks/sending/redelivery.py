"""Resending a webhook at the developer's request: the same message and id, as one more attempt."""

from django.db import transaction
from django.db.models import CharField, F, OuterRef, Prefetch, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Left
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.errors import Conflict, NotFound
from webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from webhooks.outbox import wake_dispatcher

Status = WebhookDelivery.Status
# They require an immediate response: each can be resent to test a server, but not with "resend all failed".
QUESTIONS = ("call.incoming", "call.speech", "call.tool_call", "call.lookup")
# Characters of a body or response on a page; the API returns all of it.
SHOWN_CHARACTERS = 4000


def deliveries_of(developer: Developer) -> QuerySet[WebhookDelivery]:
    """Everything sent, or being sent, to the developer's servers."""
    return WebhookDelivery.objects.filter(developer=developer)


def with_attempts(rows: QuerySet[WebhookDelivery], *, whole: bool = False) -> QuerySet[WebhookDelivery]:
    """For a page: attempts oldest first, with the beginning of bodies and responses as `shown` (`whole`: everything)."""
    attempts = WebhookAttempt.objects.order_by("number").annotate(shown=beginning("response_body"))
    rows = rows.annotate(shown=beginning("body"))
    if not whole:
        rows, attempts = rows.defer("body"), attempts.defer("response_body")
    return rows.prefetch_related(Prefetch("attempts", attempts))


def beginning(name: str) -> Left:
    """The first SHOWN_CHARACTERS of a long text, for a page."""
    return Left(F(name), Value(SHOWN_CHARACTERS), output_field=CharField())


def resend(*, developer: Developer, delivery_id: int) -> WebhookDelivery:
    """Resend immediately. Raises NotFound, and Conflict while it is being sent or if its endpoint was deleted."""
    found = deliveries_of(developer).filter(pk=delivery_id)
    if found.exclude(endpoint=None).exclude(endpoint__deleted_at=None).exists():
        raise Conflict("The endpoint of this webhook was deleted.")
    if found.exclude(method="").exists():
        raise Conflict("Requests of a tool with its own URL cannot be resent.", code="not_resendable")
    if not send_again(found):
        if found.exists():
            raise Conflict("This webhook is already being sent.", code="pending")
        raise NotFound("Not found.")
    return found.get()


def resend_failed(*, developer: Developer) -> int:
    """Resend all failed webhooks; returns their number. Skips those that required an immediate response."""
    return send_again(failed_notices(developer))


def failed_notices(developer: Developer) -> QuerySet[WebhookDelivery]:
    """The deliveries that `resend_failed` would resend."""
    failed = deliveries_of(developer).filter(status=Status.FAILED, endpoint__deleted_at=None)
    return failed.exclude(event_type__in=QUESTIONS, endpoint=None).exclude(endpoint__enabled=False)


@transaction.atomic
def send_again(rows: QuerySet[WebhookDelivery]) -> int:
    """Put finished deliveries back into the outbox, with their endpoint's current URL. Their responses are no longer carried out."""
    settled = rows.exclude(status=Status.PENDING)
    moved_to = WebhookEndpoint.objects.filter(pk=OuterRef("endpoint_id")).values("url")
    count = settled.update(
        status=Status.PENDING,
        next_attempt_at=timezone.now(),
        wants_reply=False,
        url=Coalesce(Subquery(moved_to), F("url")),
    )
    if count:
        wake_dispatcher()
    return count
