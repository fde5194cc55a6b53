"""API routes."""

from django.urls import URLPattern, path

from webhooks.api import event_views, views

urlpatterns: list[URLPattern] = [
    path("events", event_views.EventsView.as_view()),
    path("webhook-endpoints", event_views.EndpointsView.as_view()),
    path("webhook-endpoints/<int:pk>", event_views.EndpointView.as_view()),
    path("webhook-endpoints/<int:pk>/test", event_views.TestEndpointView.as_view()),
    path("webhook-endpoints/<int:pk>/rotate-secret", event_views.RotateEndpointSecretView.as_view()),
    path("webhook-logs", views.WebhookLogsView.as_view()),
    path("webhook-logs/resend-failed", views.ResendFailedView.as_view()),
    path("webhook-logs/<int:pk>/resend", views.ResendView.as_view()),
]
