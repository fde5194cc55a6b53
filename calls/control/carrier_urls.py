"""URLs for the carriers' webhooks: a fixed path with the vendor's name, which the operator enters at the vendor."""

from django.urls import path

from calls.control.carrier_webhooks import carrier_webhook

urlpatterns = [
    path("<slug:name>", carrier_webhook, name="carrier-webhook"),
    path("<slug:name>/<path:rest>", carrier_webhook, name="carrier-webhook-at"),
]
