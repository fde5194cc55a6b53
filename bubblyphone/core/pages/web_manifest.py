"""What browsers ask for at fixed addresses: the web app manifest and the icon of old."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

DAY_SECONDS = 86_400
PNG_SIZES = (192, 512)


@require_safe
@cache_control(max_age=DAY_SECONDS, public=True)
def manifest(request: HttpRequest) -> HttpResponse:
    """https://www.w3.org/TR/appmanifest/: the dashboard can be installed on a phone or a desktop."""
    pictures = [
        {
            "src": static(f"img/icon-{size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": "any maskable",
        }
        for size in PNG_SIZES
    ]
    described = {
        "name": "BubblyPhone Agents",
        "short_name": "BubblyPhone",
        "description": "Phone numbers for AI agents",
        "start_url": "/",
        "display": "standalone",
        "background_color": "#f6f7fb",
        "theme_color": "#4f46e5",
        "icons": [{"src": static("img/favicon.svg"), "sizes": "any", "type": "image/svg+xml"}, *pictures],
    }
    return JsonResponse(described, content_type="application/manifest+json")


@require_safe
@cache_control(max_age=DAY_SECONDS, public=True)
def favicon(request: HttpRequest) -> HttpResponse:
    """For programs that do not read the page's own link."""
    return HttpResponseRedirect(static("img/favicon.ico"))
