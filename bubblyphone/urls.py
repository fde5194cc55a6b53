"""Everything that is served over HTTP."""

from django.contrib import admin
from django.urls import include, path

from bubblyphone.core.monitoring import health
from bubblyphone.core.pages import web_manifest
from bubblyphone.docs import reference_views, views
from calls.control.carrier_webhooks import carrier_webhook

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("site.webmanifest", web_manifest.manifest, name="web-manifest"),
    path("favicon.ico", web_manifest.favicon, name="favicon"),
    path("docs", reference_views.index, name="docs"),
    path("docs/api/<slug:slug>", reference_views.section, name="docs-section"),
    *(path(f"docs/{name}", views.guide, {"name": name}, name=f"docs-{name}") for name in views.GUIDES),
    path("admin/", admin.site.urls),
    path("api/v1/", include("bubblyphone.api_urls")),
    path("", include("accounts.dashboard.urls")),
    path("", include("billing.dashboard.urls")),
    path("", include("phone_numbers.dashboard.urls")),
    path("", include("webhooks.dashboard.urls")),
    path("", include("calls.dashboard.urls")),
    path("", include("agents.dashboard.urls")),
    path("", include("sandbox.dashboard.urls")),
    # The operator enters this URL, with the carrier's name, at the carrier. It comes last because it matches any name, and pages and
    # Stripe's webhook also have paths below webhooks/.
    path("webhooks/<slug:name>", carrier_webhook, name="carrier-webhook"),
    path("webhooks/<slug:name>/<path:rest>", carrier_webhook, name="carrier-webhook-at"),
]
