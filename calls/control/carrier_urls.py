"""Where the carrier reports: a fixed path with the vendor's name in it, which the operator enters at the vendor."""

from django.urls import path

from calls.control.carrier_webhooks import telnyx_webhook

urlpatterns = [path("telnyx", telnyx_webhook, name="telnyx-webhook")]
