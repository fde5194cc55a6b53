"""The endpoints for carrier webhooks: verify, store, apply, and respond well within two seconds."""

import logging
from dataclasses import replace

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from calls.control import inbound
from phone_numbers.carriers.base import CarrierError, InvalidSignature, WebhookRequest
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.registry import carrier_named, reporting_at

logger = logging.getLogger(__name__)
LONGEST = {"event_id": 100, "carrier_call_id": 200, "client_state": 100}
LONGEST_NUMBER = 40  # SIP addresses can be longer; they are truncated
YEARS = range(2000, 3000)


@csrf_exempt
@require_POST
def carrier_webhook(request: HttpRequest, name: str, rest: str = "") -> HttpResponse:
    """400 or 403 for requests that are not from the carrier; 200 for everything else, including unknown events; a bug of ours is a 500,
    and the carrier sends it again. The carrier's adapter interprets the `rest` of the path.
    """
    key = reporting_at(name, rest)
    if not key:
        raise Http404
    try:
        carrier = carrier_named(key)
    except CarrierError as error:
        raise Http404 from error
    received = WebhookRequest(request.method or "", _public_url(request), request.headers, request.body)
    try:
        events = [_checked(event) for event in carrier.parse_webhook(received)]
    except InvalidSignature:
        return JsonResponse({"message": "The signature does not match."}, status=carrier.forged_status)
    except ValueError:
        logger.warning("A signed carrier webhook could not be parsed")
        return JsonResponse({"message": "The body is not a carrier event."}, status=400)
    for event in events:
        inbound.receive(replace(event, carrier=key))
    response = carrier.respond(received)
    if response is not None:
        return HttpResponse(response.body, content_type=response.content_type)
    return JsonResponse({"status": "ok"})


def _checked(event: CarrierEvent) -> CarrierEvent:
    """Only storable values: anyone with an account at a carrier can have any request signed. Raises ValueError."""
    if any(len(getattr(event, name)) > longest for name, longest in LONGEST.items()):
        raise ValueError("An id that no carrier has.")
    if any(moment.year not in YEARS for moment in (event.occurred_at, event.began_at) if moment):
        raise ValueError("A time that cannot be.")
    texts = (event.event_id, event.carrier_call_id, event.from_number, event.to_number, event.detail)
    if any("\0" in text for text in texts):
        raise ValueError("A null character.")
    return replace(event, from_number=event.from_number[:LONGEST_NUMBER])


def _public_url(request: HttpRequest) -> str:
    """The URL that the carrier requested, whatever host and scheme the request has behind proxies. Its query is left unchanged."""
    query = request.META.get("QUERY_STRING", "")
    return f"{settings.PUBLIC_URL}{request.path}{f'?{query}' if query else ''}"
