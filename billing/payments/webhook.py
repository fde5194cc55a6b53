"""The address at which Stripe reports. dj-stripe is the inbox: each delivery is stored, and with it why it failed, if it did."""

import traceback

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from djstripe.models import WebhookEventTrigger

from billing.payments import events
from bubblyphone.core.http import client_address, json_error

TOLERANCE_SECONDS = 300
KEPT_HEADERS = ("Stripe-Signature", "User-Agent")


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> JsonResponse:
    """400 for what is not Stripe's, before a row is written; 200 when it is stored and done; a failure is a 500, and is sent again."""
    secret = settings.STRIPE["webhook_secret"]
    if not secret:
        return json_error(404)
    trigger = WebhookEventTrigger(
        headers={name: request.headers.get(name, "") for name in KEPT_HEADERS},
        body=request.body.decode(errors="replace"),
        remote_ip=client_address(request) or "0.0.0.0",  # noqa: S104  (an address that is not known)
        valid=True,
    )
    if not trigger.verify_signature(secret=secret, tolerance=TOLERANCE_SECONDS):
        return JsonResponse({"message": "The signature does not match."}, status=400)
    if not {"id", "type", "data"} <= trigger.json_body.keys():
        return JsonResponse({"message": "The body is not an event."}, status=400)
    trigger.save()
    try:
        with transaction.atomic():
            events.process(trigger)
    except Exception as error:
        trigger.event, trigger.processed = None, False
        trigger.exception, trigger.traceback = repr(error)[:128], traceback.format_exc()
        raise
    finally:
        trigger.save()
    return JsonResponse({"received": True})
