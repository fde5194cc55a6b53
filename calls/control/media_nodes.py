"""Which process receives a call's audio.

Processes of the role `media` announce themselves in a table every second. A new stream goes to the one with the fewest calls, and to the
web processes if there is none. A stream that broke returns to the process that holds the call's session.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from bubblyphone.core.database.prepared_queries import PreparedQuery
from calls.models import Call, MediaNode
from calls.session.audio_counts import AUDIO

BEAT_SECONDS = 1.0
# A process without a sign of life for this long gets no new streams.
SILENT_AFTER = timedelta(seconds=3)
FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(slots=True)
class OwnProcess:
    """This process, as seen by others."""

    name: str = ""  # for a media process that is ready for calls


OWN = OwnProcess()


def enlist() -> None:
    """Register this process as a media process that is ready for calls."""
    MediaNode.objects.update_or_create(
        name=settings.MEDIA_NODE,
        defaults={"url": settings.MEDIA_STREAM_URL, "seen_at": Now(), "accepts_calls": True, "calls": 0},
    )
    OWN.name = settings.MEDIA_NODE
    MediaNode.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()


def announce(calls: int) -> bool:
    """Report that this process is alive and how many calls it holds. False if its row is gone: call `enlist` again."""
    own = MediaNode.objects.filter(name=OWN.name)
    return bool(own.update(seen_at=Now(), calls=calls, late_frames=AUDIO.late, lost_frames=AUDIO.lost_on_line))


def withdraw() -> None:
    """This process is about to stop: it gets no new streams."""
    MediaNode.objects.filter(name=OWN.name).update(accepts_calls=False)


def is_any_there() -> bool:
    """Whether new streams go to a media process instead of the web processes."""
    return _alive().exists()


def stream_base(call: Call) -> str:
    """The target of a call's first stream: a WebSocket URL without the token."""
    return _least_busy(without=call.media_node)


def stream_base_again(call: Call, *, is_session_alive: bool) -> str:
    """The target after a broken stream: the call's session if it is alive, otherwise another process."""
    if not is_session_alive:
        return _least_busy(without=call.media_node)
    if not call.media_node:
        return _web()
    home = _alive().filter(name=call.media_node).first()
    return home.url if home is not None else _least_busy(without=call.media_node)


def _alive() -> QuerySet[MediaNode]:
    return MediaNode.objects.filter(accepts_calls=True, seen_at__gt=Now() - SILENT_AFTER)


_LEAST_BUSY = PreparedQuery(lambda without: _alive().exclude(name=without).order_by("calls", "name")[:1])


def _least_busy(without: str) -> str:
    found = _LEAST_BUSY.fetch(without)
    if not found:
        return _web()
    node = found[0]
    # Counted immediately: many calls may arrive before its next sign of life.
    MediaNode.objects.filter(pk=node.pk).update(calls=F("calls") + 1)
    return node.url


def _web() -> str:
    return f"{settings.PUBLIC_WS_URL}/media"
