"""The admin's first page: everything that waits for staff, with links. Every part is one or two short queries."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.db.models import Count, Min
from django.urls import reverse
from django.utils.http import urlencode

from phone_numbers.models import Verification
from staff import status

REVIEWS = "numbers.view_verification"
OPERATIONS = "django_q.view_failure"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`since` is when the oldest started to wait. `is_trouble`: a problem, not just a task."""

    text: str
    url: str
    since: datetime | None = None
    is_trouble: bool = False


def waiting(user: AbstractBaseUser | AnonymousUser) -> list[Waiting]:
    """What this staff member can act on; [] if there is nothing."""
    if not isinstance(user, PermissionsMixin):
        return []
    found = list(_reviews()) if user.has_perm(REVIEWS) else []
    return [*found, *_operations()] if user.has_perm(OPERATIONS) else found


def _reviews() -> Iterator[Waiting]:
    pending = Verification.objects.filter(status=Verification.Status.PENDING)
    row = pending.aggregate(count=Count("pk"), oldest=Min("submitted_at"))
    if row["count"]:
        query = urlencode({"status__exact": Verification.Status.PENDING})
        url = f"{reverse('admin:numbers_verification_changelist')}?{query}"
        yield Waiting(_counted(row["count"], "verification to review", "verifications to review"), url, row["oldest"])


def _operations() -> Iterator[Waiting]:
    page = reverse("admin:status")
    jobs = status.jobs()
    if jobs.failed:
        failures = reverse("admin:django_q_failure_changelist")
        yield Waiting(
            _counted(jobs.failed, "failed job", "failed jobs"), failures, jobs.oldest_failure, is_trouble=True
        )
    for vendor in status.vendors():
        if vendor.is_failing:
            text = f"{vendor.name} fails in {vendor.percent}% of calls ({vendor.failed} of {vendor.calls} in the last hour)"
            yield Waiting(text, f"{page}#vendors", is_trouble=True)
    backlog = status.webhooks()
    if backlog.due or backlog.retrying:
        text = f"{_counted(backlog.due + backlog.retrying, 'webhook', 'webhooks')} to send, {backlog.retrying} after a failure"
        yield Waiting(text, f"{page}#webhooks", backlog.oldest_at, is_trouble=backlog.is_late)
    for work in status.after_calls():
        if work.retrying:
            yield Waiting(f"{work.name}: {work.retrying} being retried", f"{page}#after-calls", is_trouble=True)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
