"""Passes HTTP requests to Django. Each runs in a single thread, from the first middleware to its end.

Django's own handler runs the middleware asynchronously and switches to a thread and back for each synchronous one, as ours and our views
are, with a new thread per request. That took longer than most of our views.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import Context, copy_context
from typing import IO, Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http import FileResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from bubblyphone.core.network.waiting import cancelable
from bubblyphone.server.compute_slots import ComputeSlot, ComputeSlots
from bubblyphone.server.request_cycles import break_cycles

# Threads are created as needed and reused; requests that wait on the network must not delay others.
THREADS = ThreadPoolExecutor(max_workers=1000, thread_name_prefix="request")
MONITORED_PATHS = {"/healthz", "/readyz", "/metrics"}


class ThreadedHandler(ASGIHandler):
    """Django's handler with synchronous middleware. An asynchronous view runs on the loop while its thread waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._slots, self._urgent_slots = ComputeSlots(), ComputeSlots()

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Called by Django for the view of each request. A stopping process cancels asynchronous views."""
        made = super().make_view_atomic(view)
        return cancelable(made) if iscoroutinefunction(made) else made

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request. If its client disconnects, nothing more is sent, but its thread still finishes."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            working = asyncio.create_task(self._work(scope, body, send))
            leaving = asyncio.create_task(self.listen_for_disconnect(receive))
            try:
                await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                working.cancel()  # does nothing if it has ended
                with suppress(asyncio.CancelledError):
                    await leaving
                with suppress(asyncio.CancelledError):
                    await working

    async def listen_for_disconnect(self, receive: Any) -> None:
        """Return when the client has disconnected.

        Django's own raises, and the error would keep the whole request until the next garbage collection.
        """
        await receive()

    async def _work(self, scope: Any, body: IO[bytes], send: Any) -> None:
        context = copy_context()
        slot = await (self._urgent_slots if _is_urgent(scope) else self._slots).take()
        answering = asyncio.ensure_future(_in_thread(self._respond_in, context)(slot, scope, body))
        answering.add_done_callback(lambda _: slot.release())
        try:
            response = await asyncio.shield(answering)
        except asyncio.CancelledError:
            await asyncio.wait((answering,))
            await _end(answering.result(), context)
            raise
        try:
            # Log lines written while the response is sent have the id of the request.
            await asyncio.create_task(self.send_response(response, send), context=context)
        finally:
            await _end(response, context)

    def _respond_in(self, slot: ComputeSlot, scope: Any, body: IO[bytes]) -> HttpResponseBase:
        slot.enter_thread()
        return self.respond(scope, body)

    def respond(self, scope: Any, body: IO[bytes]) -> HttpResponseBase:
        """Compute the response in a thread. It returns its database connection, even before a file is sent."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response: HttpResponseBase
        if refusal is not None:
            response = refusal
        else:
            assert request is not None
            response = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if response.streaming:
            close_old_connections()
        else:
            response.close()
            if request is not None:
                break_cycles(request, response)
        return response


def _is_urgent(scope: Any) -> bool:
    """Whether a request must not wait for pages: a webhook, because a call may be ringing, or a monitor's question."""
    path, is_post = scope["path"], scope["method"] == "POST"
    return path in MONITORED_PATHS or (is_post and path.startswith("/webhooks/"))


def _in_thread(function: Any, context: Context) -> Any:
    """Run in the request's own context, so that a thread keeps nothing of it for the next one."""
    return sync_to_async(function, thread_sensitive=False, executor=THREADS, context=context)


async def _end(response: HttpResponseBase, context: Context) -> None:
    """Close a streamed response; others were closed when they were created."""
    if response.streaming:
        await _in_thread(response.close, context)()
