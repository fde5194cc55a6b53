"""Dashboard routes."""

from django.urls import path

from billing import statement_views, usage_views, views

urlpatterns = [
    path("billing", views.billing, name="billing"),
    path("billing/statements", statement_views.statement_list, name="statements"),
    path("billing/statements/<str:month>.<str:extension>", statement_views.statement_file, name="statement-file"),
    path("usage", usage_views.usage, name="usage"),
    path("billing/test-credit", views.add_test_credit, name="test-credit"),
]
