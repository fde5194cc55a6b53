"""/api/v1/secrets: values that tools send. Responses never contain them."""

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from agents import secrets
from agents.api.responses import SECRET
from agents.serializers import SecretSerializer, SecretValueSerializer
from bubblyphone.core.api.views import data, page_of, validated
from bubblyphone.core.database.prepared_queries import PreparedList

_SECRETS = PreparedList(secrets.secrets_of)


class SecretList(AdminKeyView):
    """GET and POST /secrets."""

    def get(self, request: Request) -> Response:
        return page_of(request, _SECRETS.of(signed_in(request).pk), SECRET.of)

    def post(self, request: Request) -> Response:
        secret = secrets.create_secret(developer=signed_in(request), **validated(SecretSerializer, request))
        return data(SECRET.of(secret), status=201)


class SecretDetail(AdminKeyView):
    """PATCH and DELETE /secrets/{id}."""

    def patch(self, request: Request, pk: int) -> Response:
        secret = secrets.get_secret(developer=signed_in(request), pk=pk)
        secrets.replace_secret(secret=secret, **validated(SecretValueSerializer, request))
        return data(SECRET.of(secret))

    def delete(self, request: Request, pk: int) -> Response:
        secrets.delete_secret(secret=secrets.get_secret(developer=signed_in(request), pk=pk))
        return Response(status=204)
