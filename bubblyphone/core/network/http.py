"""The client of a request, and responses made outside the API's views."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse

MESSAGES = {
    400: "Bad request.",
    401: "Unauthenticated.",
    403: "Forbidden.",
    404: "Not found.",
    405: "Method not allowed.",
    413: "The request body is larger than 1 MiB.",
    429: "Too many requests.",
    500: "Server error.",
}


def client_address(request: HttpRequest) -> str:
    """The IP address of the client. Only TRUSTED_PROXIES hops of X-Forwarded-For are trusted."""
    return _forwarded(request.META.get("HTTP_X_FORWARDED_FOR", "")) or str(request.META.get("REMOTE_ADDR", ""))


def client_network(request: HttpRequest) -> str:
    """The key for limits by address: see `network_of`."""
    return network_of(client_address(request))


def forwarded_client(headers: Iterable[bytes]) -> str:
    """The client that trusted proxies name in X-Forwarded-For; "" without such proxies."""
    return _forwarded(b",".join(headers).decode("latin-1"))


def _forwarded(header: str) -> str:
    hops = [hop.strip() for hop in header.split(",") if hop.strip()]
    hop = hops[-min(settings.TRUSTED_PROXIES, len(hops))] if settings.TRUSTED_PROXIES and hops else ""
    return hop if _is_address(hop) else ""


def network_of(address: str) -> str:
    """An IPv4 address itself; for an IPv6 address its /64, all of which belongs to one subscriber. Anything else stays unchanged."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed.is_loopback:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback, by name. Requests to it must bypass a proxy configured in the environment."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def json_error(status: int) -> JsonResponse:
    """The API's error body for an error that does not come from a view (middleware, unknown route)."""
    return compact_json({"message": MESSAGES.get(status, MESSAGES[500 if status >= 500 else 400])}, status)


def compact_json(content: dict[str, Any], status: int) -> JsonResponse:
    """JSON without spaces and with unescaped text, byte for byte like the API's views."""
    return JsonResponse(content, status=status, json_dumps_params={"separators": (",", ":"), "ensure_ascii": False})
