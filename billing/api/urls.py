"""API routes."""

from django.urls import path

from billing.api import views

urlpatterns = [
    path("billing/balance", views.BalanceView.as_view()),
    path("billing/transactions", views.TransactionsView.as_view()),
    path("billing/usage", views.UsageView.as_view()),
]
