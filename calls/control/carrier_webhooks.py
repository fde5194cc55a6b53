"""The one address at which the carrier reports: verify, store, take effect, answer well within two seconds."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from calls.control import inbound
from phone_numbers.carriers.base import InvalidSignature
from phone_numbers.carriers.registry import get_carrier

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def carrier_webhook(request: HttpRequest) -> HttpResponse:
    """400 for what is not the carrier's; 200 for all else, the unknown included; a defect of ours is a 500, and is sent again."""
    try:
        event = get_carrier().parse_event(headers=request.headers, body=request.body)
    except InvalidSignature:
        return JsonResponse({"message": "The signature does not match."}, status=400)
    except ValueError:
        logger.warning("A signed carrier webhook could not be parsed")
        return JsonResponse({"message": "The body is not a carrier event."}, status=400)
    if event is not None:
        inbound.receive(event)
    return JsonResponse({"status": "ok"})
