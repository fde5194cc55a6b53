"""Shared parts of the REST API: authentication, bodies, errors, pagination, and injected faults."""

import asyncio
import hmac
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bubblyphone.core.json.documents import InvalidJSON, parse_json
from sandbox.exchange import errors
from sandbox.exchange.errors import ApiError
from sandbox.exchange.faults import Faults, RestFault
from sandbox.exchange.state import Record

logger = logging.getLogger(__name__)

HANG_SECONDS = 3600.0
MAX_PAGE_SIZE = 250


def json_response(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def data_response(data: Any) -> web.Response:
    """A successful response in Telnyx's format."""
    return json_response({"data": data})


async def read_json(request: web.Request) -> Any:
    """The body, or an empty object if it is missing. Raises ApiError if it is not JSON."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        return parse_json(raw)
    except InvalidJSON as error:
        raise errors.invalid("/", f"The body is {error}.") from error


def paged(request: web.Request, rows: Sequence[Any]) -> web.Response:
    """One page of a list: `page[number]` from 1, `page[size]` up to 250."""
    number, size = _page_parameter(request, "number", 1), min(_page_parameter(request, "size", 20), MAX_PAGE_SIZE)
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": -(-len(rows) // size),
        "total_results": len(rows),
    }
    return json_response({"data": rows[(number - 1) * size : number * size], "meta": meta})


def _page_parameter(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(f"page[{name}]", str(default))
    if not text.isdecimal() or int(text) < 1:
        raise errors.invalid(f"page[{name}]", "The value must be a whole number from 1.")
    return int(text)


def filters(request: web.Request, known: Sequence[str]) -> dict[str, str]:
    """The `filter[…]` parameters; `filter[a][b]` is called "a.b". Raises ApiError for unknown ones."""
    found: dict[str, str] = {}
    for key, value in request.query.items():
        match = re.fullmatch(r"filter\[(\w+)\](?:\[(\w*)\])?", key)
        if match is None:
            continue
        name = f"{match[1]}.{match[2]}" if match[2] else match[1]
        name = name.removesuffix(".eq")
        if name not in known:
            raise errors.invalid(key, "Unknown filter.")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def matches(row: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether a record matches all filters."""
    return all(str(row.get(name, "")) == value for name, value in wanted.items())


def record_in(table: Mapping[str, Record], request: web.Request, what: str) -> Record:
    """The record whose ID is in the request's path. Raises ApiError (not found), which names it `what`."""
    record = table.get(request.match_info["id"])
    if record is None:
        raise errors.not_found(what)
    return record


# Access is granted by the signature in the URL, which the handler checks.
SIGNED_ADDRESSES = "/recordings/"


def is_authorized(request: web.Request, api_key: str) -> bool:
    """Check the Bearer token. Browsers cannot send headers with WebSockets, so these can use `?token=`."""
    if request.path.startswith(SIGNED_ADDRESSES):
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.query.get("token", "") if request.headers.get("Upgrade") else ""
    return hmac.compare_digest(token.strip().encode(), api_key.encode())


def make_middleware(api_key: str, faults: Faults) -> Middleware:
    """Authentication, faults and errors around every handler."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not is_authorized(request, api_key):
                raise errors.unauthenticated()
            fault = faults.rest.get(request.path.rstrip("/").rpartition("/")[2])
            if fault is not None:
                return await fail_on_purpose(request, fault)
            return await handler(request)
        except ApiError as error:
            return json_response(error.body(), error.status)
        except web.HTTPNotFound:
            return json_response(errors.not_found("resource or URL").body(), 404)
        except web.HTTPMethodNotAllowed:
            return json_response(ApiError(405, "10007", "Unexpected error", "Method not allowed.").body(), 405)

    return middleware


async def fail_on_purpose(request: web.Request, fault: RestFault) -> web.Response:
    """Respond with a configured fault instead of handling the request."""
    if fault == "hang":
        await asyncio.sleep(HANG_SECONDS)
    if fault == "garbage":
        return web.Response(text="<html>It works!</html>", content_type="text/html")
    if fault == "drop" and request.transport is not None:
        request.transport.close()
    status = fault if isinstance(fault, int) else 500
    return json_response(ApiError(status, "10007", "Unexpected error", "An injected fault.").body(), status)
