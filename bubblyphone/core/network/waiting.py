"""Network requests, and the database connection that must not wait for them.

A web process has few connections (settings.DATABASE_POOL_SIZE), and an external server may take ten seconds or never respond. So code
that is about to wait for another machine first returns its thread's connection; the next query takes one again. The clients that send
requests do this for all their users: `http_client` here, the carrier's client, Stripe's, email, the storage.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import httpx2
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connections

from bubblyphone.core.network import tls
from bubblyphone.core.network.http import is_this_machine

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")

# Coroutines on the loop that request threads wait for, even after their clients have left. A stopping process cancels them, because
# otherwise it would not end.
waited_for: set[asyncio.Task[Any]] = set()


class WaitInTransaction(RuntimeError):
    """Code waits on the network while it keeps rows locked."""


def before_waiting() -> None:
    """Return this thread's database connections to the pool, because the next step waits on the network.

    In a transaction they cannot be returned, and its locks would last as long as the wait. That is a defect: it is logged, and the
    request continues; with settings.FAIL_ON_WAIT_IN_TRANSACTION, as in tests, it raises WaitInTransaction.
    """
    for connection in connections.all(initialized_only=True):
        # Tests run inside a transaction opened by Django, which is marked as such.
        if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            if settings.FAIL_ON_WAIT_IN_TRANSACTION:
                raise WaitInTransaction("A request to another machine is made inside a database transaction.")
            logger.error("A request to another machine is made inside a database transaction.", stack_info=True)
        elif not connection.in_atomic_block:
            connection.close()


def run_waiting(function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a coroutine function that waits on the network, from synchronous code and without its database connection."""
    before_waiting()
    return async_to_sync(cancelable(function))(*args, **kwargs)


def cancelable(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same coroutine function, whose task is in `waited_for` while it runs."""

    async def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        task = asyncio.current_task()
        assert task is not None
        waited_for.add(task)
        try:
            return await function(*args, **kwargs)
        finally:
            waited_for.discard(task)

    return kept


def http_client(server: str | httpx2.URL, **options: Any) -> httpx2.Client:
    """A client for requests to `server`, which wait without a database connection.

    `options` are those of httpx2.Client. A proxy of the environment is used unless the server is on this machine.
    """
    return httpx2.Client(
        trust_env=not is_this_machine(httpx2.URL(server).host),
        verify=tls.client_context(),
        event_hooks={"request": [lambda request: before_waiting()]},
        **options,
    )
