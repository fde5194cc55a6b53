"""The webhook endpoints of an account: created, changed, tested, and deleted by its owner, and by nobody else."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from webhooks import outbox
from webhooks.models import Event, SigningSecret, WebhookDelivery, WebhookEndpoint
from webhooks.sending import signing

MAX_ENDPOINTS = 20


def endpoints_of(developer: Developer) -> QuerySet[WebhookEndpoint]:
    """Without deleted ones."""
    return WebhookEndpoint.objects.filter(developer=developer, deleted_at=None)


def get_endpoint(*, developer: Developer, pk: int) -> WebhookEndpoint:
    """Raises NotFound, also for an endpoint of another account."""
    return get_row(endpoints_of(developer), pk=pk)


@transaction.atomic
def create(*, developer: Developer, url: str, event_types: list[str], **fields: Any) -> tuple[WebhookEndpoint, str]:
    """An endpoint and its secret, which is shown once. Raises InvalidRequest when the account has MAX_ENDPOINTS."""
    Developer.objects.select_for_update(no_key=True).get(pk=developer.pk)
    if endpoints_of(developer).count() >= MAX_ENDPOINTS:
        raise InvalidRequest({"url": [f"An account can have at most {MAX_ENDPOINTS} endpoints."]})
    secret, plaintext = signing.make_signing_secret(developer=developer)
    endpoint = WebhookEndpoint.objects.create(
        developer=developer, signing_secret=secret, url=url, event_types=event_types, **fields
    )
    return endpoint, plaintext


@transaction.atomic
def update(*, developer: Developer, pk: int, **changes: Any) -> WebhookEndpoint:
    """Change some fields. Retries in progress go to the new URL; of a disabled endpoint they are canceled. Raises NotFound."""
    endpoint = get_endpoint(developer=developer, pk=pk)
    for name, value in changes.items():
        setattr(endpoint, name, value)
    endpoint.save(update_fields=list(changes))
    if not endpoint.enabled:
        _cancel_pending(endpoint)
    elif "url" in changes:
        _pending(endpoint).update(url=endpoint.url)
    return endpoint


@transaction.atomic
def delete(*, developer: Developer, pk: int) -> None:
    """Send nothing more to it. Raises NotFound."""
    endpoint = get_endpoint(developer=developer, pk=pk)
    endpoint.deleted_at = timezone.now()
    endpoint.save(update_fields=["deleted_at"])
    _cancel_pending(endpoint)


def delete_all(developer_id: int) -> None:
    """The account is being deleted: nothing more of it is sent."""
    for endpoint in WebhookEndpoint.objects.filter(developer_id=developer_id, deleted_at=None):
        delete(developer=endpoint.developer, pk=endpoint.pk)


@transaction.atomic
def forget_all(developer_id: int) -> None:
    """The deleted account has no calls any more that could report to them: the rows too, with their secrets and what was sent."""
    endpoints = WebhookEndpoint.objects.filter(developer_id=developer_id)
    secrets = list(endpoints.values_list("signing_secret_id", flat=True))
    endpoints.delete()
    SigningSecret.objects.filter(pk__in=secrets).delete()


def rotate_secret(*, developer: Developer, pk: int) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown once. The old one also signs for 24 h. Raises NotFound."""
    endpoint = get_endpoint(developer=developer, pk=pk)
    return endpoint, signing.rotate_signing_secret(secret_id=endpoint.signing_secret_id)


def send_test(*, developer: Developer, pk: int) -> WebhookDelivery:
    """Put a `webhook.test` on its way to the endpoint, also to one that is disabled. Raises NotFound."""
    endpoint = get_endpoint(developer=developer, pk=pk)
    event: Event = outbox.publish(
        developer_id=developer.pk,
        subject=f"endpoint:{endpoint.pk}",
        event_type="webhook.test",
        payload={
            "event": "webhook.test",
            "webhook_endpoint_id": str(endpoint.pk),
            "timestamp": format_time(timezone.now()),
        },
        endpoints=[endpoint],
    )
    return event.deliveries.get()


def _pending(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)


def _cancel_pending(endpoint: WebhookEndpoint) -> None:
    _pending(endpoint).update(status=WebhookDelivery.Status.FAILED, next_attempt_at=None)
