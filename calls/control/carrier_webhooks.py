"""The addresses at which carriers report: verify, store, take effect, answer well within two seconds."""

import logging
from dataclasses import replace

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from calls.control import inbound
from phone_numbers.carriers.base import InvalidSignature
from phone_numbers.carriers.registry import carrier_named, configured_carriers

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def telnyx_webhook(request: HttpRequest) -> HttpResponse:
    """Telnyx's reports, or those of the built-in exchange in its place.

    400 for what is not the carrier's; 200 for all else, the unknown included; a defect of ours is a 500, and is sent again.
    """
    slug = "exchange" if "exchange" in configured_carriers() else "telnyx"
    try:
        event = carrier_named(slug).parse_event(headers=request.headers, body=request.body)
    except InvalidSignature:
        return JsonResponse({"message": "The signature does not match."}, status=400)
    except ValueError:
        logger.warning("A signed carrier webhook could not be parsed")
        return JsonResponse({"message": "The body is not a carrier event."}, status=400)
    if event is not None:
        inbound.receive(replace(event, carrier=slug))
    return JsonResponse({"status": "ok"})
