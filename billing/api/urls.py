"""API routes."""

from django.urls import path

from billing.api import statements, views

urlpatterns = [
    path("billing/balance", views.BalanceView.as_view()),
    path("billing/transactions", views.TransactionsView.as_view()),
    path("billing/statements", statements.StatementsView.as_view()),
    path("billing/statements/<str:month_id>", statements.StatementView.as_view()),
    path("billing/usage", views.UsageView.as_view()),
]
