"""API routes."""

from django.urls import URLPattern, path

from webhooks.api import views

urlpatterns: list[URLPattern] = [
    path("webhook-logs", views.WebhookLogsView.as_view()),
    path("webhook-logs/resend-failed", views.ResendFailedView.as_view()),
    path("webhook-logs/<int:pk>/resend", views.ResendView.as_view()),
]
