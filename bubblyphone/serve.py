"""The server: `python -m bubblyphone.serve [web|media]` runs daphne on uvloop, on HOST and PORT.

`web`, the default, serves everything. `media` serves only the calls' audio, so that pages and API cannot delay it; it announces
itself, and streams go there instead of to the web processes.
HOST defaults to this machine alone while PUBLIC_URL names localhost, else to every interface.
"""

import asyncio

import uvloop

# Daphne makes Twisted's event loop when it is imported, so the policy must be set before that.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

import argparse  # noqa: E402
import contextlib  # noqa: E402
import gc  # noqa: E402
import logging  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from concurrent.futures import Future  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

from daphne import http_protocol  # noqa: E402
from daphne import server as daphne_server  # noqa: E402
from daphne.server import Server  # noqa: E402
from daphne.ws_protocol import WebSocketFactory  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import DatabaseError  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402

from agents.providers import registry  # noqa: E402
from bubblyphone.asgi import application, media_application  # noqa: E402
from bubblyphone.core.database import prepared_queries  # noqa: E402
from bubblyphone.core.monitoring import health, metrics  # noqa: E402
from bubblyphone.core.monitoring.platform_metrics import measure_loop  # noqa: E402
from bubblyphone.core.network import waiting  # noqa: E402
from bubblyphone.server import daphne_websocket, request_handler  # noqa: E402
from bubblyphone.server.daphne_http import LeanWebRequest  # noqa: E402
from bubblyphone.server.database_pool import share_connections  # noqa: E402
from bubblyphone.server.limited_protocols import LimitedChannel, LimitedFactory, LimitedWebSocket  # noqa: E402
from bubblyphone.server.listening import describe_endpoints  # noqa: E402
from bubblyphone.server.loop_priority import prioritize_audio, shorten_time_slices  # noqa: E402
from bubblyphone.server.preloading import load_pages  # noqa: E402
from calls.control import commands, media_nodes  # noqa: E402
from calls.live import database_threads, live_sessions  # noqa: E402
from calls.live.database_threads import in_database  # noqa: E402

logger = logging.getLogger(__name__)

# Garbage collections pause every call. With these thresholds, a collection of the youngest generation takes 1.4 ms, and one of the middle
# generation 6 to 13 ms. Larger thresholds make pauses rarer and longer (5,000 and 10: 3 and 30 ms). A full collection happens after
# 500,000 new objects at the earliest.
GC_THRESHOLDS = (2_000, 5, 50)
# How often a web process looks whether calls will come to it, and from when on it expects them because no media process is there.
EXPECTED_LOOK_SECONDS = 0.2
MEDIA_LOOK_SECONDS = 3.0
MEDIA_GONE_SECONDS = 15.0
# Daphne cuts off what still runs this long after its client has gone. A request that is cut off never gives its connection
# back, so this is longer than any of them takes: network requests have their own timeouts.
ABANDONED_SECONDS = 120


class PatientServer(Server):  # type: ignore[misc]
    """Running calls are left to another process before the connections are cut; long responses come as fast as they are read."""

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Daphne's own takes what it is given: a client that reads slowly would have the whole of a download kept in memory."""
        await super().handle_reply(protocol, message)
        channel = getattr(protocol, "channel", None)
        if message.get("more_body") and isinstance(channel, LimitedChannel):
            await channel.has_room.wait()

    def kill_all_applications(self) -> Any:
        draining: Any = Deferred.fromFuture(asyncio.ensure_future(live_sessions.drain(settings.DRAIN_SECONDS)))
        draining.addErrback(lambda failure: logger.error("Moving calls to another process failed: %s", failure))
        return draining.addCallback(lambda _: self._cancel_all())

    def _cancel_all(self) -> Any:
        """Daphne's own expects an application behind every connection; there is none before a request is complete.

        What threads wait for belongs to no connection when a client has left, and would keep the process from ending.
        """
        loop = asyncio.get_event_loop()
        applications = [details.get("application_instance") for details in self.connections.values()]
        awaited = [task for task in tuple(waiting.waited_for) if task.get_loop() is loop]
        working = [one for one in (*applications, *awaited) if one is not None and not one.done()]
        for one in working:
            one.cancel()
        return Deferred.fromFuture(asyncio.gather(*working, return_exceptions=True))


_tasks: set[asyncio.Task[None]] = set()


def _on_ready(role: str) -> None:
    if role == "media":
        works = [_load_models(), measure_loop(), live_sessions.keep_enlisted()]
    else:
        works = [_load_models_when_needed(), measure_loop()]
    for work in works:
        task = asyncio.get_event_loop().create_task(work)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


async def _load_models_when_needed() -> None:
    """Of a web process: load what calls need as soon as one may come here.

    That is a browser's, which its page announces, or any while no media process is there.
    """
    loop = asyncio.get_running_loop()
    looked_at, there_at = -math.inf, loop.time()
    while not registry.are_sessions_expected() and loop.time() - there_at < MEDIA_GONE_SECONDS:
        if loop.time() - looked_at > MEDIA_LOOK_SECONDS:
            looked_at = loop.time()
            # A database that is away tells nothing about the media processes.
            with contextlib.suppress(DatabaseError):
                if await in_database(media_nodes.is_any_there):
                    there_at = loop.time()
        await asyncio.sleep(EXPECTED_LOOK_SECONDS)
    await _load_models()


async def _load_models() -> None:
    """Load what calls need while the first requests run: the vendors' SDKs take seconds to import."""
    loaded: Future[None] = Future()
    # The process may be asked to stop meanwhile: it waits for the threads of a pool, but not for this one.
    threading.Thread(target=_load_into, args=(loaded,), daemon=True).start()
    await asyncio.wrap_future(loaded)
    await registry.warm_up()
    _keep_what_is_there()


def _keep_what_is_there() -> None:
    """What is loaded stays: the collector is kept from walking through it in the middle of a call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _load_into(loaded: "Future[None]") -> None:
    try:
        registry.load_all()
    except Exception as error:  # noqa: BLE001  raised again by `result()` of the future
        loaded.set_exception(error)
    else:
        loaded.set_result(None)


def main(role: str) -> None:
    """Serve as `web` or `media` until SIGTERM or SIGINT.

    Calls are then left to another process, open connections canceled and waited for.
    """
    endpoints = describe_endpoints(settings.HOST, settings.PORT)
    # A computing thread releases Python's global lock to the event loop after this time instead of 5 ms. The loop releases the lock several
    # times for each frame, and may have to wait this long each time.
    sys.setswitchinterval(0.0001)
    share_connections()
    daphne_websocket.prove()
    prepared_queries.prove()
    metrics.start_flushing()
    WebSocketFactory.protocol = LimitedWebSocket
    http_protocol.WebRequest = LeanWebRequest
    daphne_server.HTTPFactory = LimitedFactory
    # WebSocket compression needs no switching off: daphne's factory never accepts it.
    is_media = role == "media"
    if is_media:
        how = "with real-time priority" if prioritize_audio() else "without real-time priority"
        logger.info("audio is carried %s", how)
        health.add_check("media", lambda: bool(media_nodes.OWN.name))
    else:
        shorten_time_slices()
        load_pages()
        _keep_what_is_there()  # a full collection, during which no request would be answered
    logger.info("listening on %s, port %d", settings.HOST, settings.PORT)
    PatientServer(
        media_application if is_media else application,
        endpoints=endpoints,
        ready_callable=partial(_on_ready, role),
        server_name="bubblyphone",
        application_close_timeout=ABANDONED_SECONDS,
    ).run()
    # What was begun comes to its end before the interpreter's shutdown, during which no thread can begin anything: first the
    # threads that may give commands, then those that carry them out.
    for threads in (request_handler.THREADS, database_threads.THREADS, commands.THREADS):
        threads.shutdown()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bubblyphone.serve", description="Serve as one of the two roles.")
    parser.add_argument("role", nargs="?", choices=["web", "media"], default="web")
    main(parser.parse_args().role)
