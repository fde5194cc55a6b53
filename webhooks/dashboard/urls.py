"""Dashboard routes."""

from django.urls import path

from webhooks.dashboard import endpoint_views, event_views, views

urlpatterns = [
    path("webhooks", views.webhooks, name="webhooks"),
    path("webhooks/failed/resend", views.resend_failed, name="resend-failed-webhooks"),
    path("webhooks/<int:pk>/resend", views.resend, name="resend-webhook"),
    path("webhook-endpoints", endpoint_views.endpoints, name="webhook-endpoints"),
    path("webhook-endpoints/<int:pk>", endpoint_views.endpoint, name="webhook-endpoint"),
    path("webhook-endpoints/<int:pk>/enable", endpoint_views.set_enabled, {"enabled": True}, name="enable-endpoint"),
    path("webhook-endpoints/<int:pk>/disable", endpoint_views.set_enabled, {"enabled": False}, name="disable-endpoint"),
    path("webhook-endpoints/<int:pk>/test", endpoint_views.send_test, name="test-endpoint"),
    path("webhook-endpoints/<int:pk>/rotate-secret", endpoint_views.rotate_secret, name="rotate-endpoint-secret"),
    path("webhook-endpoints/<int:pk>/delete", endpoint_views.delete, name="delete-endpoint"),
    path("events", event_views.events_page, name="events"),
    path("events/tail", event_views.tail, name="events-tail"),
    path("events/resend", event_views.resend_events, name="resend-events"),
    path("events/<str:public_id>", event_views.event, name="event"),
]
