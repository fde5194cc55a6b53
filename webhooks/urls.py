"""Dashboard routes."""

from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhooks", views.webhooks, name="webhooks"),
    path("webhooks/failed/resend", views.resend_failed, name="resend-failed-webhooks"),
    path("webhooks/<int:pk>/resend", views.resend, name="resend-webhook"),
]
