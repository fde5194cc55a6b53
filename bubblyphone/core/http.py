"""What a request tells about its sender, and answers that are made outside the API's views."""

import ipaddress
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
    """The IP address of the client. Of X-Forwarded-For only TRUSTED_PROXIES hops are believed."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    if settings.TRUSTED_PROXIES and hops:
        hop = hops[-min(settings.TRUSTED_PROXIES, len(hops))]
        if _is_address(hop):
            return str(hop)
    return str(request.META.get("REMOTE_ADDR", ""))


def _is_address(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """Whether a host is loopback by its name. For requests there, a proxy of the environment is of no use: it leads to the world."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def json_error(status: int) -> JsonResponse:
    """The body of contract §2 for a refusal that no view has made."""
    return compact_json({"message": MESSAGES.get(status, MESSAGES[500 if status >= 500 else 400])}, status)


def compact_json(content: dict[str, Any], status: int) -> JsonResponse:
    """Without spaces and with text as it is, byte for byte as the API's views answer."""
    return JsonResponse(content, status=status, json_dumps_params={"separators": (",", ":"), "ensure_ascii": False})
