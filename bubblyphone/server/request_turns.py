"""Limits how many requests of one client run at once; the others wait for their turn.

So a carrier's burst of webhooks is answered one after the other, and no client's flood occupies all threads and database connections.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

# Starts a request; returns the task that works for it, which may outlive the client's connection. None: no task does.
Start = Callable[[], "asyncio.Future[None] | None"]


class Turns:
    """The running requests, and a queue for each client that has more than `at_once`. 0 means no limit."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._running: Counter[str] = Counter()
        self._queues: dict[str, OrderedDict[Any, Start]] = {}

    def ask(self, client: str, key: Any, start: Start) -> None:
        """Call `start` as soon as the client has a turn. `key` is for `leave`."""
        self._queues.setdefault(client, OrderedDict())[key] = start
        self._start_next(client)

    def leave(self, client: str, key: Any) -> None:
        """Remove the request from the queue, if it is waiting."""
        queue = self._queues.get(client)
        if queue is not None and key in queue:
            del queue[key]
            if not queue:
                del self._queues[client]

    def _start_next(self, client: str) -> None:
        while queue := self._queues.get(client):
            if self._at_once and self._running[client] >= self._at_once:
                return
            key, start = next(iter(queue.items()))
            self.leave(client, key)
            self._running[client] += 1
            working = start()
            if working is None:
                self._give_back(client)
            else:
                working.add_done_callback(lambda _: self._ended(client))

    def _ended(self, client: str) -> None:
        self._give_back(client)
        self._start_next(client)

    def _give_back(self, client: str) -> None:
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
