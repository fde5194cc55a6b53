"""The signed-in developer of a request, and endpoints that need no authentication."""

from django.http import HttpRequest
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import Developer


def signed_in(request: HttpRequest | Request) -> Developer:
    """The developer who is signed in, or whose key the request has. Only for views that require one: pages, and most of the API."""
    if not isinstance(request.user, Developer):
        raise TypeError("This view requires a signed-in developer.")
    return request.user


class PublicView(APIView):
    """An API endpoint without authentication."""

    authentication_classes = []
    permission_classes = [AllowAny]
