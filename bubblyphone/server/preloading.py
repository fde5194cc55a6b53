"""What pages need, loaded before a web process listens."""

from django.conf import settings
from django.template.loader import get_template
from django.urls import reverse


def load_pages() -> None:
    """Import all views and compile all templates. Otherwise the first requests of a new process would wait 0.6 s for that."""
    reverse("overview")  # imports the URLconf
    folder = settings.BASE_DIR / "templates"
    for path in folder.rglob("*.html"):
        get_template(str(path.relative_to(folder)))
