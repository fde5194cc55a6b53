"""The text conversation on `/sandbox/ws/<call_id>`: JSON frames in both directions.

browser → {"type": "text", "text": "…"}
browser ← ready · text (item, text: a piece of an answer) · transcript · tool_call · tool_result · error · ended
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from calls.live import chat_runner
from calls.live.live_call import LiveCall
from calls.models import HangupCause
from calls.session.chat_session import ChatSession
from sandbox.sockets.browser_connection import BrowserConnection, Receive, Send, read_frame, run_call
from sandbox.sockets.browser_observer import BrowserObserver

MAX_FRAME_KIBIBYTES = 16
MAX_TEXT = 2000  # characters per message
MAX_MESSAGES = 200  # messages per conversation, valid or not


class ChatBrowser(BrowserConnection):
    """The browser's connection."""

    async def read(self, session: ChatSession) -> None:
        """Forward typed messages until the browser disconnects."""
        for _ in range(MAX_MESSAGES):
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self.is_open = False
                break
            text, problem = read_text(message)
            if problem:
                await self.send_json({"type": "error", "message": problem})
            else:
                session.write(text)
        else:
            await self.send_json(
                {"type": "error", "message": f"A test can have {MAX_MESSAGES} messages. Start another."}
            )
        session.end(HangupCause.NORMAL_CLEARING)


def read_text(message: Mapping[str, Any]) -> tuple[str, str]:
    """The text of a frame and "", or "" and the problem."""
    frame, problem = read_frame(message, MAX_FRAME_KIBIBYTES)
    if problem:
        return "", problem
    if not isinstance(frame, dict) or frame.get("type") != "text" or not isinstance(frame.get("text"), str):
        return "", 'Only frames of type "text" with a "text" are supported.'
    text = frame["text"].strip()
    if not text or len(text) > MAX_TEXT:
        return "", f"A message must have 1 to {MAX_TEXT} characters."
    return text, ""


async def converse(call: LiveCall, receive: Receive, send: Send) -> None:
    """Run a text call over an accepted connection, until the `ended` frame."""
    browser = ChatBrowser(receive, send)
    observer = BrowserObserver(call.call_id, browser)
    readers: list[asyncio.Task[None]] = []
    run = partial(
        chat_runner.run_chat,
        call,
        observer=observer,
        show=lambda item, text: observer.show({"type": "text", "item": item, "text": text}),
        begun=lambda session: readers.append(asyncio.create_task(browser.read(session))),
    )
    try:
        cause = await run_call(call.call_id, run)
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    await observer.finish()
    await observer.drained()
    await browser.end(cause)
