"""Reading an account's events, oldest first: each exactly once, however many transactions write them at the same time.

Ids are taken when a row is written and become visible when its transaction commits, which may be later than a higher id. So an
event's place is not its id but its `position`, given here to rows that are committed already: whatever commits later comes
after all that anyone has read.
"""

import re
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.pagination import MAX_ID
from bubblyphone.core.redis.period_cache import SETTLES
from webhooks.models import Event

LIFETIME = timedelta(days=30)
POSITION_BATCH = 5000
DELETION_BATCH = 1000
_ID = re.compile(r"evt_[0-9a-f]{1,36}")
# One at a time for each account, and only as long as this statement takes; no other lock is held with it.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_GIVE_POSITIONS = """
UPDATE webhooks_event SET position = new.position
FROM (
    SELECT id, row_number() OVER (ORDER BY id)
        + (SELECT coalesce(max(position), 0) FROM webhooks_event WHERE developer_id = %(developer_id)s) AS position
    FROM webhooks_event WHERE developer_id = %(developer_id)s AND position IS NULL ORDER BY id LIMIT %(limit)s
) new
WHERE webhooks_event.id = new.id
"""


def after(developer_id: int, public_id: str | None, types: Collection[str] = ()) -> QuerySet[Event]:
    """The events that follow one, or all of them, in the order in which they became visible; `types` none: of every type.

    Raises InvalidRequest for an event that the account does not have, or no longer has.
    """
    last = _named(developer_id, public_id)
    if public_id is not None and not last.exists():
        raise InvalidRequest({"after": ["No such event. Events are kept for 30 days."]})
    _give_positions(developer_id)
    rows = Event.objects.filter(developer_id=developer_id, position__isnull=False).order_by("position")
    if public_id is not None:
        rows = rows.filter(position__gt=last.values("position"))
    return rows.filter(event_type__in=types) if types else rows


def newest(developer_id: int) -> tuple[str | None, int]:
    """The ID and position of the newest event, from which to continue reading; None and 0 if there are no events."""
    _give_positions(developer_id)
    rows = Event.objects.filter(developer_id=developer_id, position__isnull=False).order_by("-position")
    found = rows.values_list("public_id", "position").first()
    return (found[0], found[1] or 0) if found else (None, 0)


def up_to(developer_id: int, position: int | None) -> QuerySet[Event]:
    """The events up to and including this position; none if it is None."""
    return Event.objects.filter(developer_id=developer_id, position__lte=position or 0)


def in_period(developer_id: int, since: datetime | None = None, until: datetime | None = None) -> Q:
    """Events from `since` (inclusive) to `until` (exclusive).

    Positions are in the order of commits, each within SETTLES of its events' times. Without limits on the position, PostgreSQL would read
    all events between the period and an end of the feed. The limits are values, not subqueries, so that it plans with them.
    """
    own, found = Event.objects.filter(developer_id=developer_id, position__isnull=False), Q()
    now = timezone.now()
    if since is not None:
        start = max(since, now - 2 * LIFETIME) - SETTLES
        earlier = own.filter(created_at__lt=start).order_by("-created_at").values_list("position", flat=True).first()
        found &= Q(created_at__gte=since, position__gt=earlier or 0)
    if until is not None:
        end = min(until, now + LIFETIME) + SETTLES
        later = own.filter(created_at__gte=end).order_by("created_at").values_list("position", flat=True).first()
        found &= Q(created_at__lt=until, position__lt=later or MAX_ID)
    return found


def get_event(developer_id: int, public_id: str) -> Event:
    """Raises NotFound, also for an event of another account."""
    return get_row(_named(developer_id, public_id))


def delete_expired() -> None:
    """A scheduled job. Deliveries stay in the log."""
    old = Event.objects.filter(created_at__lt=timezone.now() - LIFETIME).order_by("created_at")
    while batch := list(old.values_list("pk", flat=True)[:DELETION_BATCH]):
        Event.objects.filter(pk__in=batch).delete()


def call_id_of(event: Event) -> int | None:
    """The call that an event is about; None for another subject."""
    kind, _, pk = event.subject.partition(":")
    return int(pk) if kind == "call" else None


def _named(developer_id: int, public_id: str | None) -> QuerySet[Event]:
    """The event with that id, if it is the account's; none for text that is no id, which PostgreSQL may not even take."""
    is_id = public_id is not None and _ID.fullmatch(public_id) is not None
    return Event.objects.filter(developer_id=developer_id, public_id=public_id) if is_id else Event.objects.none()


def _give_positions(developer_id: int) -> None:
    while Event.objects.filter(developer_id=developer_id, position=None).exists():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_LOCK, [f"events:{developer_id}"])
            cursor.execute(_GIVE_POSITIONS, {"developer_id": developer_id, "limit": POSITION_BATCH})
            if cursor.rowcount < POSITION_BATCH:
                return
