"""The signed-in developer of a page request."""

from django.http import HttpRequest

from accounts.models import Developer


def signed_in(request: HttpRequest) -> Developer:
    """The developer who is signed in. Only for views that require it (`bubblyphone.core.pages.views.page`)."""
    if not isinstance(request.user, Developer):
        raise TypeError("This view requires a signed-in developer.")
    return request.user
