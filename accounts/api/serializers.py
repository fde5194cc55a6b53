"""Request and response bodies about accounts."""

from typing import Any

from rest_framework import serializers

from accounts.common_passwords import refuse_common
from accounts.models import ApiKey, Developer
from bubblyphone.core.amounts import AmountField
from bubblyphone.core.api import StrictSerializer, format_time
from bubblyphone.core.money import format_amount


class NewPasswordSerializer(StrictSerializer):
    # A space at either end is part of the password.
    password = serializers.CharField(min_length=8, max_length=128, trim_whitespace=False, validators=[refuse_common])
    password_confirmation = serializers.CharField(max_length=128, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.pop("password_confirmation") != attrs["password"]:
            raise serializers.ValidationError({"password_confirmation": ["Must match the password."]})
        return attrs


class RegisterSerializer(NewPasswordSerializer):
    name = serializers.CharField(max_length=150)
    email = serializers.EmailField(max_length=254)
    company_name = serializers.CharField(max_length=150, required=False, allow_blank=True, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        attrs["company_name"] = attrs.get("company_name") or ""
        return attrs


class LoginSerializer(StrictSerializer):
    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=128, trim_whitespace=False)


class ForgotPasswordSerializer(StrictSerializer):
    email = serializers.EmailField(max_length=254)


class ResetPasswordSerializer(NewPasswordSerializer):
    token = serializers.CharField(max_length=200)


class ApiKeySerializer(StrictSerializer):
    """The body of PATCH /api-keys/{id}."""

    # DRF's metaclass takes the field out of the class, so that its own `label` stays what it is.
    label = serializers.CharField(max_length=100, default="Default")  # type: ignore[assignment]
    daily_cap = AmountField(required=False, allow_null=True)


class NewApiKeySerializer(ApiKeySerializer):
    """The body of POST /api-keys."""

    admin = serializers.BooleanField(source="is_admin", default=False)


def developer_data(developer: Developer) -> dict[str, Any]:
    """As register and login show it."""
    return {"id": developer.pk, "name": developer.name, "email": developer.email}


def profile_data(developer: Developer) -> dict[str, Any]:
    """As `auth/me` shows it."""
    return {
        **developer_data(developer),
        "email_verified": developer.email_verified_at is not None,
        "company_name": developer.company_name or None,
        "created_at": format_time(developer.created_at),
    }


def api_key_data(key: ApiKey) -> dict[str, Any]:
    """A key in a list: never its plaintext."""
    return {
        "id": key.pk,
        "label": key.label,
        "hint": key.hint,
        "admin": key.is_admin,
        "daily_cap": format_amount(key.daily_cap),
        "created_at": format_time(key.created_at),
        "last_used_at": format_time(key.last_used_at),
    }
