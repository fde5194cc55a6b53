"""Runs around every view: rate limits and, for the API, `Idempotency-Key`."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from structlog.contextvars import bind_contextvars

from accounts.authentication import identify
from accounts.idempotency import HEADER, Claim, claim_key, fingerprint_of, settle
from bubblyphone.core.errors import Conflict, InvalidRequest, TooManyRequests
from bubblyphone.core.middleware import Middleware, is_api, is_form_with_files
from bubblyphone.core.network.http import client_address, client_network, compact_json, json_error
from bubblyphone.core.pages.views import too_many
from bubblyphone.core.redis.ratelimit import hit


class RateLimitMiddleware(Middleware):
    """Counts per valid key or session token, and per client address without one (register, login, wrong keys)."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_api(request):
            return self.get_response(request)
        credential = identify(request)
        if credential:
            bind_contextvars(account_id=credential.developer.pk)
        bucket = credential.bucket if credential else f"address:{client_network(request)}"
        allowance = hit(bucket, limit=settings.RATE_LIMIT_PER_MINUTE)
        if allowance.is_exceeded:
            response: HttpResponse = json_error(429)
            response["Retry-After"] = str(allowance.retry_after)
        else:
            response = self.get_response(request)
        response["X-RateLimit-Limit"] = str(allowance.limit)
        response["X-RateLimit-Remaining"] = str(allowance.remaining)
        return response


class PageRateLimitMiddleware(Middleware):
    """Counts page requests per account, across all browsers. Pages for signed-out visitors have limits per form."""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_api(request) or not request.user.is_authenticated:
            return self.get_response(request)
        bind_contextvars(account_id=request.user.pk)
        allowance = hit(f"pages:{request.user.pk}", limit=settings.PAGE_RATE_LIMIT_PER_MINUTE)
        if allowance.is_exceeded:
            return too_many(
                request,
                TooManyRequests("Your account is sending too many requests.", allowance.retry_after),
            )
        return self.get_response(request)


class IdempotencyMiddleware(Middleware):
    """`Idempotency-Key` on every POST of the API.

    The key is claimed after the route is known and the body is read, so that a request that is too large, unknown or over the limit
    leaves no trace.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Cut off during the request (an exception that no handler turns into an answer), the claim stays until its lease ends.
        response = self.get_response(request)
        claim: Claim | None = getattr(request, "_idempotency_claim", None)
        if claim is not None:
            settle(claim, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        key = request.headers.get(HEADER)
        if key is None or request.method != "POST" or not is_api(request):
            return None
        credential = identify(request)
        scope = credential.scope if credential else f"address:{client_address(request)}"
        try:
            fingerprint = fingerprint_of(request, is_form=is_form_with_files(request, view))
            found = claim_key(scope=scope, key=key, fingerprint=fingerprint)
        except RequestDataTooBig:  # a field of the form, not a file
            return json_error(413)
        except InvalidRequest as error:
            return compact_json({"message": error.message, "errors": error.errors}, error.status)
        except Conflict as error:
            refusal = compact_json({"message": error.message}, error.status)
            refusal["Retry-After"] = "1"
            return refusal
        if isinstance(found, Claim):
            request._idempotency_claim = found  # type: ignore[attr-defined]
            return None
        return HttpResponse(
            found.body,
            status=found.status,
            content_type="application/json",
            headers={"Idempotency-Replayed": "true"},
        )
