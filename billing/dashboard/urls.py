"""Dashboard routes."""

from django.urls import path

from billing.billing_switch import with_billing_only
from billing.dashboard import billing_page, limit_views, statement_views, usage_views
from billing.payments import views as payments
from billing.payments.webhook import stripe_webhook

urlpatterns = [
    *with_billing_only(
        path("billing", billing_page.billing, name="billing"),
        path("billing/top-up", payments.top_up, name="top-up"),
        path("billing/to-checkout", payments.to_checkout, name="to-checkout"),
        path("billing/test-top-up/<uuid:reference>", payments.test_top_up, name="test-top-up"),
        path("billing/automatic-top-ups", payments.set_auto_top_up, name="auto-top-up"),
        path("billing/cards/<int:pk>/choose", payments.choose_card, name="choose-card"),
        path("billing/cards/<int:pk>/remove", payments.remove_card, name="remove-card"),
        path("billing/payments", payments.payments, name="payments"),
        path("billing/payments/<int:pk>/receipt.pdf", payments.receipt, name="receipt"),
        path("webhooks/stripe", stripe_webhook, name="stripe-webhook"),
    ),
    path("billing/caps", limit_views.limits, name="caps"),
    path("billing/statements", statement_views.statement_list, name="statements"),
    path("billing/statements/<str:month>.<str:extension>", statement_views.statement_file, name="statement-file"),
    path("usage", usage_views.usage, name="usage"),
]
