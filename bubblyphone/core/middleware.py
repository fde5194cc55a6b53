"""Every response gets a request id, and under /api/ it is JSON even if no view was reached.

Methods and bodies that no view accepts are refused.
"""

import re
import uuid
from collections.abc import Callable
from functools import cache
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers, has_vary_header
from django.views import View
from django.views.defaults import bad_request
from rest_framework.parsers import MultiPartParser
from structlog.contextvars import bind_contextvars, clear_contextvars

from bubblyphone.core.api.raw_files import RawFileParser
from bubblyphone.core.errors import StorageUnavailable
from bubblyphone.core.network.http import json_error

API_PREFIX = "/api/"
ADMIN_PREFIX = "/admin/"  # whose views are Django's own
_SLASH_TOLERANT = ("/api/v1/", "/webhooks/")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Middleware:
    """Base class of our middleware. `get_response` calls the next middleware or the view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response


class ApiMiddleware(Middleware):
    """Request ids, trailing slashes, the size of bodies, and JSON for errors from outside our views."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A quoted cookie can contain any byte, but PostgreSQL's texts cannot contain null characters.
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if "\0" not in value}
        sent_id = request.headers.get("X-Request-Id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        if request.path_info.startswith(_SLASH_TOLERANT):
            request.path_info = request.path_info.rstrip("/")
            request.path = request.path.rstrip("/")
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        if is_api(request) and response.status_code >= 400 and not _is_json(response):
            response = _as_json(response)
        response["X-Request-Id"] = request_id
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Answer OPTIONS; read the body, up to 1 MiB. Views that accept files limit them."""
        if not is_api(request):
            return _refusal_of_method(request, view) or _refusal_of_null_characters(request, view)
        if "\0" in request.path_info:
            return json_error(404)  # PostgreSQL cannot store this character, so no such name exists
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": ", ".join(_allowed_methods(view))})
        if is_form_with_files(request, view):
            return None
        if limit := _limit_of_file(request, view):
            # From now on, `request.body` returns this. Without it, Django would read at most 1 MiB.
            request._body = request.read(limit + 1)
            return None
        try:
            size = len(request.body)
        except RequestDataTooBig:
            return json_error(413)
        if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return json_error(413)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Pages that show or accept files report that storage is unavailable; for the API `core.api.error_responses` does."""
        if not isinstance(exception, StorageUnavailable):
            return None
        response = render(request, "503.html", {"message": exception.message}, status=exception.status)
        response["Retry-After"] = str(exception.retry_after)
        return response


class CachesMiddleware(Middleware):
    """No cache stores a page that depends on its reader; responses that every cache may store set no cookies.

    Outside the session middleware, which says in `Vary` whether a response depends on its reader.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        kept = response.get("Cache-Control", "")
        if "public" in kept:
            response.cookies.clear()
        elif not kept and has_vary_header(response, "Cookie"):
            add_never_cache_headers(response)
        return response


def _refusal_of_method(request: HttpRequest, view: Callable[..., Any]) -> HttpResponse | None:
    """For pages: OPTIONS is answered, and an unsupported method is 405, even without a CSRF token."""
    if request.method in ("GET", "HEAD") or request.path_info.startswith(ADMIN_PREFIX):
        return None
    allowed = _methods_of_page(view)
    if request.method == "OPTIONS":
        return HttpResponse(status=204, headers={"Allow": ", ".join([*allowed, "OPTIONS"])})
    return None if request.method in allowed else HttpResponseNotAllowed(allowed)


@cache
def _methods_of_page(view: Callable[..., Any]) -> tuple[str, ...]:
    """As its decorator (django.views.decorators.http) responds before anything else, to a request that has nothing but a method."""
    probe = HttpRequest()
    probe.method = "OPTIONS"
    refusal = async_to_sync(view)(probe) if iscoroutinefunction(view) else view(probe)
    return tuple(refusal["Allow"].split(", "))


def _refusal_of_null_characters(request: HttpRequest, view: Callable[..., Any]) -> HttpResponse | None:
    """For pages: PostgreSQL's texts have no such character, so neither a name, a filter nor a form can have it.

    What another server posts, to a view without the token against forged requests, is no form. Read as one, its bytes would be gone.
    """
    if "\0" in request.path_info:
        raise Http404
    try:
        form = [] if getattr(view, "csrf_exempt", False) else request.POST.lists()
    except RequestDataTooBig:
        return render(request, "413.html", status=413)
    except (TooManyFieldsSent, TooManyFilesSent, MultiPartParserError):
        return bad_request(request, BadRequest())
    sent = [*request.GET.lists(), *form]
    if any("\0" in text for name, values in sent for text in (name, *values)):
        return bad_request(request, BadRequest())  # returned, because Django logs a traceback for a raised one
    return None


def is_api(request: HttpRequest) -> bool:
    return f"{request.path_info}/".startswith(API_PREFIX)


def is_form_with_files(request: HttpRequest, view: Callable[..., Any]) -> bool:
    """Whether the body is multipart and the view accepts files. For any other view it is an ordinary body."""
    parsers = getattr(getattr(view, "view_class", None), "parser_classes", [])
    return request.content_type == MultiPartParser.media_type and MultiPartParser in parsers


def _limit_of_file(request: HttpRequest, view: Callable[..., Any]) -> int:
    """The maximum size of a body that is a file (`RawFileParser`); 0 for any other request."""
    parsers = getattr(getattr(view, "view_class", None), "parser_classes", [])
    files = (parser for parser in parsers if issubclass(parser, RawFileParser))
    return next((parser.max_bytes for parser in files if parser.media_type == request.content_type), 0)


def _allowed_methods(view: Callable[..., Any]) -> list[str]:
    view_class = getattr(view, "view_class", None)
    # Django makes every view that supports GET answer HEAD, and every view OPTIONS.
    sources = {"head": "get", "options": "http_method_names"}
    return [name.upper() for name in View.http_method_names if hasattr(view_class, sources.get(name, name))]


def _is_json(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith("application/json")


def _as_json(response: HttpResponse) -> HttpResponse:
    replacement = json_error(response.status_code)
    for name, value in response.headers.items():
        if name not in ("Content-Type", "Content-Length"):
            replacement[name] = value
    return replacement
