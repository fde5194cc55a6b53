"""Instruments of webhooks: results, and the backlog."""

from django.utils import timezone

from bubblyphone.core.database.commit_hooks import note_after_commit
from bubblyphone.core.monitoring.metrics import Counter, Histogram, Sampled, Samples
from webhooks.http.outbound_http import PostResult
from webhooks.models import WebhookDelivery

DELIVERIES = Counter("webhooks", "Webhooks delivered or given up.", ("outcome",))
ATTEMPTS = Counter("webhook_attempts", "Requests to developers' servers, by their result.", ("result",))
ATTEMPT_SECONDS = Histogram("webhook_attempt_seconds", "Time until developers' servers answered.")


def note_attempt(result: PostResult, status: str) -> None:
    """An attempt is being recorded, in a transaction; `status` is the delivery's afterwards."""
    note_after_commit(_count, result, status)


def _count(result: PostResult, status: str) -> None:
    ATTEMPTS.add(_result_of(result))
    ATTEMPT_SECONDS.observe(result.latency_ms / 1000)
    if status != WebhookDelivery.Status.PENDING:
        DELIVERIES.add(str(status))


def _result_of(result: PostResult) -> str:
    if result.status is None:
        return "no_response"
    if result.is_success:
        return "success"
    # Any other failure with a success status is a response that could not be carried out.
    return "unusable_answer" if 200 <= result.status < 300 else f"{result.status // 100}xx"


def pending() -> dict[str, float]:
    """The backlog: how many are `due` and how many wait for a `retry`, and the age of the oldest in seconds."""
    now = timezone.now()
    waiting = WebhookDelivery.objects.filter(status=WebhookDelivery.Status.PENDING)
    created = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    due = waiting.filter(next_attempt_at__lte=now).count()
    return {
        "due": due,
        "retry": waiting.filter(next_attempt_at__gt=now).count(),
        "oldest_seconds": (now - created).total_seconds() if created else 0.0,
    }


def _waiting() -> Samples:
    found = pending()
    return [(("due",), found["due"]), (("retry",), found["retry"])]


def _oldest() -> Samples:
    yield (), pending()["oldest_seconds"]


Sampled(
    "webhooks_pending",
    "Webhooks not delivered yet; a retry includes one that is being sent.",
    ("state",),
    sample=_waiting,
)
Sampled("webhook_oldest_seconds", "Age of the oldest webhook not delivered yet.", sample=_oldest)
