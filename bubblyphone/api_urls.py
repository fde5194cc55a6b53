"""The public API, /api/v1/: each app brings its part. A slash at the end is tolerated."""

from django.urls import include, path

from bubblyphone.docs.views import SchemaView

urlpatterns = [
    path("schema", SchemaView.as_view(), name="api-schema"),
    path("", include("accounts.api.urls")),
    path("", include("agents.api.urls")),
    path("", include("billing.api.urls")),
    path("", include("calls.api.urls")),
    path("", include("phone_numbers.api.urls")),
    path("", include("sandbox.api.urls")),
    path("", include("webhooks.api.urls")),
]
