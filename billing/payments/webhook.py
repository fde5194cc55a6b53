"""The URL for Stripe's webhooks. dj-stripe is the inbox: it stores each delivery, and the reason if it failed."""

import traceback

import stripe
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from djstripe.models import WebhookEventTrigger

from billing.payments import stripe_events
from bubblyphone.core.json.documents import InvalidJSON, parse_json
from bubblyphone.core.network.http import client_address, json_error

TOLERANCE_SECONDS = 300
KEPT_HEADERS = ("Stripe-Signature", "User-Agent")


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> JsonResponse:
    """400 for requests that are not from Stripe, before a row is written; 200 once stored and processed; a failure is a 500, and Stripe
    sends it again.
    """
    secret = settings.STRIPE["webhook_secret"]
    if not secret:
        return json_error(404)
    body = request.body.decode(errors="replace")
    if not _is_signed(request.headers.get("Stripe-Signature", ""), body, secret):
        return JsonResponse({"message": "The signature does not match."}, status=400)
    if not _is_event(body):
        return JsonResponse({"message": "The body is not a Stripe event."}, status=400)
    trigger = WebhookEventTrigger(
        headers={name: request.headers.get(name, "") for name in KEPT_HEADERS},
        body=body,
        remote_ip=client_address(request) or "0.0.0.0",  # noqa: S104  (an address that is not known)
        valid=True,
    )
    trigger.save()
    try:
        with transaction.atomic():
            stripe_events.process(trigger)
    except Exception as error:
        trigger.event, trigger.processed = None, False
        trigger.exception, trigger.traceback = repr(error)[:128], traceback.format_exc()
        raise
    finally:
        trigger.save()
    return JsonResponse({"received": True})


def _is_signed(signature: str, body: str, secret: str) -> bool:
    if not signature.isascii():  # Stripe's library compares signatures as ASCII and raises a TypeError
        return False
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except stripe.SignatureVerificationError:
        return False
    return True


def _is_event(body: str) -> bool:
    try:
        event = parse_json(body)
    except InvalidJSON:
        return False
    return isinstance(event, dict) and event.keys() >= {"id", "type", "data"}
