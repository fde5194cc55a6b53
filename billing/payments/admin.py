"""Payments for staff: ours, and Stripe's reports as received. Of dj-stripe's roughly fifty tables, only these two are used."""

from django.apps import apps
from django.contrib import admin
from djstripe.models import Event, WebhookEventTrigger

from billing.models import Payment
from billing.switched_admin import BillingAdmin

for model in apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Payment)
class PaymentAdmin(BillingAdmin):
    list_display = ["id", "developer", "kind", "status", "amount", "card", "failure_code", "created_at", "settled_at"]
    list_select_related = ["developer"]
    list_filter = ["status", "kind"]
    search_fields = ["developer__email", "stripe_intent_id", "stripe_session_id"]
    ordering = ["-id"]


@admin.register(WebhookEventTrigger)
class DeliveryAdmin(BillingAdmin):
    """Each delivery from Stripe; if it could not be processed, the reason is here."""

    list_display = ["id", "created", "event", "processed", "exception"]
    list_select_related = ["event"]
    list_filter = ["processed"]
    ordering = ["-id"]


@admin.register(Event)
class EventAdmin(BillingAdmin):
    list_display = ["id", "type", "created"]
    list_filter = ["type"]
    search_fields = ["id"]
    ordering = ["-djstripe_id"]
