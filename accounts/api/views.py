"""/api/v1/auth/… and /api/v1/api-keys."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import passwords, services
from accounts.access import PublicView, signed_in
from accounts.admin_keys import AdminKeyView, require_session
from accounts.api.responses import API_KEY, DEVELOPER, NEW_API_KEY, PROFILE, SIGNED_IN
from accounts.api.serializers import (
    ApiKeySerializer,
    ForgotPasswordSerializer,
    LoginSerializer,
    NewApiKeySerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
)
from accounts.models import Developer, SessionToken
from accounts.selectors import active_api_keys
from bubblyphone.core.api.views import data, page_of, validated
from bubblyphone.core.database.prepared_queries import PreparedList
from bubblyphone.core.errors import Forbidden
from bubblyphone.core.network.http import client_address

_KEYS = PreparedList(active_api_keys)


class RegisterView(PublicView):
    def post(self, request: Request) -> Response:
        body = validated(RegisterSerializer, request)
        developer = services.register(**body, address=client_address(request._request))
        return _signed_in(developer, status=201)


class LoginView(PublicView):
    def post(self, request: Request) -> Response:
        body = validated(LoginSerializer, request)
        developer = services.sign_in(**body, address=client_address(request._request))
        return _signed_in(developer, status=200)


class ForgotPasswordView(PublicView):
    def post(self, request: Request) -> Response:
        body = validated(ForgotPasswordSerializer, request)
        passwords.request_reset(email=body["email"], address=client_address(request._request))
        return data({"message": "If an account has this email address, we sent it a link to choose a new password."})


class ResetPasswordView(PublicView):
    def post(self, request: Request) -> Response:
        developer = passwords.reset(**validated(ResetPasswordSerializer, request))
        return data(DEVELOPER.of(developer))


class MeView(APIView):
    def get(self, request: Request) -> Response:
        return data(PROFILE.of(signed_in(request)))


class LogoutView(APIView):
    def post(self, request: Request) -> Response:
        if not isinstance(request.auth, SessionToken):
            raise Forbidden("An API key cannot log out. To revoke it, use DELETE /api/v1/api-keys/{id}.")
        services.close_session(token=request.auth)
        return Response(status=204)


class LogoutAllView(AdminKeyView):
    def post(self, request: Request) -> Response:
        services.close_all_sessions(developer=signed_in(request))
        return Response(status=204)


class ApiKeysView(AdminKeyView):
    def get(self, request: Request) -> Response:
        return page_of(request, _KEYS.of(signed_in(request).pk), API_KEY.of)

    def post(self, request: Request) -> Response:
        body = validated(NewApiKeySerializer, request)
        if body["is_admin"]:
            require_session(request)
        key, plaintext = services.issue_api_key(developer=signed_in(request), **body)
        return data(NEW_API_KEY.of(key, key=plaintext), status=201)


class ApiKeyView(AdminKeyView):
    def patch(self, request: Request, key_id: int) -> Response:
        changes = validated(ApiKeySerializer, request, partial=True)
        key = services.update_api_key(developer=signed_in(request), key_id=key_id, **changes)
        return data(API_KEY.of(key))

    def delete(self, request: Request, key_id: int) -> Response:
        services.revoke_api_key(developer=signed_in(request), key_id=key_id)
        return Response(status=204)


def _signed_in(developer: Developer, status: int) -> Response:
    token = services.open_session(developer=developer)
    return Response(SIGNED_IN.of(None, data=developer, token=token), status=status)
