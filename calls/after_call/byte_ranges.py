"""Files in pieces, as players ask for them: one byte range (RFC 9110, section 14), read without blocking the event loop."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import IO, Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

PIECE_BYTES = 128 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def ranged_response(file: IO[Any], size: int, *, content_type: str, wanted: str, head: bool) -> HttpResponseBase:
    """The file, or the part that a Range header asks for. The file is closed when it has been sent."""
    span = _span(wanted, size)
    if span is None:
        file.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    first, end = span
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(end - first)}
    is_part = (first, end) != (0, size)
    if is_part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    status = 206 if is_part else 200
    if head:
        file.close()
        return HttpResponse(status=status, content_type=content_type, headers=headers)
    pieces = _pieces(file, first, end)
    return StreamingHttpResponse(pieces, status=status, content_type=content_type, headers=headers)


def _span(wanted: str, size: int) -> tuple[int, int] | None:
    """First byte, and the one after the last; all for what is no single range; None for what the file does not have."""
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or match.group(1, 2) == ("", ""):
        return 0, size
    if not match[1]:  # the last so many bytes
        return (max(0, size - int(match[2])), size) if int(match[2]) and size else None
    first = int(match[1])
    end = min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < first:
        return 0, size
    return (first, end) if first < size else None


async def _pieces(file: IO[Any], first: int, end: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, first)
        while first < end:
            piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, end - first))
            if not piece:
                return
            first += len(piece)
            yield piece
    finally:
        file.close()
