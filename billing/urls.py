"""Dashboard routes."""

from django.urls import path

from billing import views

urlpatterns = [
    path("billing", views.billing, name="billing"),
    path("billing/caps", views.set_caps, name="caps"),
    path("billing/test-credit", views.add_test_credit, name="test-credit"),
]
