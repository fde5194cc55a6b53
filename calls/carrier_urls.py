"""Where the carrier reports: a fixed path, the vendor's name in it (contract §1)."""

from django.urls import path

from calls.carrier_webhooks import carrier_webhook

urlpatterns = [path("telnyx", carrier_webhook, name="carrier-webhook")]
