"""API routes."""

from django.urls import path

from billing.api import payments, statements, views
from billing.billing_switch import with_billing_only

urlpatterns = [
    *with_billing_only(
        path("billing/top-up", payments.TopUpView.as_view()),
        path("billing/auto-topup", payments.AutoTopUpView.as_view()),
        path("billing/payment-methods", payments.PaymentMethodsView.as_view()),
        path("billing/payment-methods/<int:pk>", payments.PaymentMethodView.as_view()),
        path("billing/payment-methods/<int:pk>/default", payments.DefaultPaymentMethodView.as_view()),
    ),
    path("billing/balance", views.BalanceView.as_view()),
    path("billing/transactions", views.TransactionsView.as_view()),
    path("billing/statements", statements.StatementsView.as_view()),
    path("billing/statements/<str:month_id>", statements.StatementView.as_view()),
    path("billing/usage", views.UsageView.as_view()),
]
