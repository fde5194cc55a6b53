"""The heartbeat of running calls."""

import asyncio
import threading
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.utils import timezone

from calls.live import live_call, live_sessions
from calls.live.database_threads import in_database
from calls.models import Call
from calls.session.call_session import CallSession
from tests.calls.rows import make_account, make_call, make_streaming_number

pytestmark = pytest.mark.django_db(transaction=True)
SESSION = cast(CallSession, None)  # the heartbeat does not use it


def running_calls() -> list[int]:
    number = make_streaming_number(make_account())
    return [make_call(number, timezone.now(), session_seen_at=None).pk for _ in range(2)]


def keep_locked(call_id: int, is_locked: threading.Event, until: threading.Event) -> None:
    with transaction.atomic():
        Call.objects.get_for_update(call_id)
        is_locked.set()
        until.wait(30)


def touched(call_ids: list[int]) -> list[bool]:
    rows = dict(Call.objects.filter(pk__in=call_ids).values_list("pk", "session_seen_at"))
    return [rows[call_id] is not None for call_id in call_ids]


async def test_the_heartbeat_leaves_out_a_locked_call_instead_of_waiting_for_it() -> None:
    calls = await sync_to_async(running_calls)()
    lives = [await in_database(live_call.load, call_id) for call_id in calls]
    is_locked, until = threading.Event(), threading.Event()
    locking = asyncio.ensure_future(in_database(keep_locked, calls[0], is_locked, until))
    await asyncio.to_thread(is_locked.wait, 30)
    with live_sessions.registered(lives[0], SESSION), live_sessions.registered(lives[1], SESSION):
        async with asyncio.timeout(30):
            while not any(seen := await in_database(touched, calls)):
                await asyncio.sleep(0.02)
        assert seen == [False, True]
    until.set()
    await locking
    await asyncio.gather(*(in_database(connections.close_all) for _ in range(8)))
    await sync_to_async(connections.close_all)()
