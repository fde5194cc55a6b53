"""The API description of accounts."""

from accounts.api.notifications import NotificationsSerializer
from accounts.api.responses import API_KEY, DEVELOPER, NEW_API_KEY, NOTIFICATIONS, PROFILE, RETENTION, SIGNED_IN
from accounts.api.retention import RetentionSerializer
from accounts.api.serializers import (
    ApiKeySerializer,
    ForgotPasswordSerializer,
    LoginSerializer,
    NewApiKeySerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
)
from accounts.notifications import optional_kinds
from bubblyphone.core.api.json_schema import data_of, page_of, record, text
from bubblyphone.core.api.openapi import Operation

OPERATIONS = {
    "Authentication": {
        "POST /auth/register": Operation(
            "Register",
            "Create an account and a session. Limited to 20 new accounts an hour per IP address, including the sign-up page.",
            answer=SIGNED_IN,
            status=201,
            body=RegisterSerializer,
            example={
                "name": "Jane",
                "email": "jane@example.com",
                "password": "secret123",
                "password_confirmation": "secret123",
            },
        ),
        "POST /auth/login": Operation(
            "Log in",
            "Create a session. Limited to 20 wrong passwords an hour per account and IP address, and 300 per IP address.",
            answer=SIGNED_IN,
            body=LoginSerializer,
            example={"email": "jane@example.com", "password": "secret123"},
            errors={401: "Wrong email or password."},
        ),
        "GET /auth/me": Operation("Get your profile", answer=data_of(PROFILE)),
        "POST /auth/logout": Operation(
            "Log out",
            "Revoke the session token sent with the request.",
            status=204,
            errors={403: "The request was sent with an API key, which cannot log out."},
        ),
        "POST /auth/logout-all": Operation(
            "Log out everywhere",
            "Revoke all session tokens and sign out all browsers. API keys keep working.",
            status=204,
        ),
        "POST /auth/password/forgot": Operation(
            "Request a password reset",
            "Email a reset link to the address, if an account has it. The response is the same if none does.",
            answer=data_of(record({"message": text("If an account has this email address, we sent it a link.")})),
            body=ForgotPasswordSerializer,
            example={"email": "jane@example.com"},
        ),
        "POST /auth/password/reset": Operation(
            "Set a new password",
            "Set a new password with the token from the emailed link. The token works once. All sessions end.",
            answer=data_of(DEVELOPER),
            body=ResetPasswordSerializer,
            example={"token": "1-c2x9f1-…", "password": "secret456", "password_confirmation": "secret456"},
        ),
    },
    "Notifications": {
        "GET /notifications": Operation(
            "Get notification settings",
            "Which notifications the account gets, by email and by webhook. Security emails are always sent.",
            answer=data_of(NOTIFICATIONS),
        ),
        "PUT /notifications": Operation(
            "Set notifications",
            "Omitted kinds and channels stay unchanged.",
            answer=data_of(NOTIFICATIONS),
            body=NotificationsSerializer,
            example={"daily_limit": {"email": False, "webhook": True}},
        ),
    },
    "Data retention": {
        "GET /retention": Operation(
            "Get data retention", "How long the account keeps each kind of data.", answer=data_of(RETENTION)
        ),
        "PUT /retention": Operation(
            "Set data retention",
            "Data past its limit is deleted every night, including existing data. Omitted kinds stay unchanged.",
            answer=data_of(RETENTION),
            body=RetentionSerializer,
            example={"transcripts": 90},
        ),
    },
    "API keys": {
        "POST /api-keys": Operation(
            "Create an API key",
            "Returned only in this response. Only admin keys can change API keys, caps, policy, sessions, carrier accounts, and webhook "
            "endpoints.",
            answer=data_of(NEW_API_KEY),
            status=201,
            body=NewApiKeySerializer,
            example={"label": "Production"},
            errors={
                403: "Requires a session token, or an admin key to create a standard key (`reason`: `admin_key_required`)."
            },
        ),
        "GET /api-keys": Operation(
            "List your API keys", "Newest first. The keys themselves are not returned.", answer=page_of(API_KEY)
        ),
        "PATCH /api-keys/{id}": Operation(
            "Update an API key",
            "Omitted fields stay unchanged.",
            answer=data_of(API_KEY),
            body=ApiKeySerializer,
            example={"daily_cap": "5.00"},
        ),
        "DELETE /api-keys/{id}": Operation(
            "Revoke an API key",
            "Requests with this key are rejected immediately.",
            status=204,
        ),
    },
}
FIELDS = {
    **{f"NotificationsSerializer.{kind.name}": kind.text for kind in optional_kinds()},
    "ChannelsSerializer.email": "Email it.",
    "ChannelsSerializer.webhook": "Send its events to webhooks.",
    "RetentionSerializer.recordings": "Days to keep recordings, or null to keep them until you delete them.",
    "RetentionSerializer.transcripts": "Days to keep transcripts and analysis results.",
    "RetentionSerializer.events": "Days to keep the timelines of calls.",
    "RetentionSerializer.webhook_logs": "Days to keep webhook deliveries with their bodies.",
    "RetentionSerializer.documents": "Days to keep documents of rejected and expired verifications.",
    "RegisterSerializer.name": "Your name.",
    "email": "Email address.",
    "RegisterSerializer.password": "8 to 128 characters.",
    "ResetPasswordSerializer.password": "The new password, 8 to 128 characters.",
    "token": "The token from the emailed link.",
    "LoginSerializer.password": "The account's password.",
    "password_confirmation": "Must match `password`.",
    "company_name": "Your company.",
    "ApiKeySerializer.label": "A name for the key.",
    "NewApiKeySerializer.label": "A name for the key.",
    "admin": "Create an admin key, which can change API keys, caps, policy, sessions, carrier accounts, and webhook endpoints. "
    "Requires a session token.",
}
