"""Request and response bodies about accounts."""

from typing import Any

from rest_framework import serializers

from accounts.common_passwords import refuse_common
from bubblyphone.core.api.amounts import AmountField
from bubblyphone.core.api.views import StrictSerializer


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

    # DRF's metaclass removes the field from the class, so the class keeps its own `label`.
    label = serializers.CharField(max_length=100, default="Default")  # type: ignore[assignment]
    daily_cap = AmountField(required=False, allow_null=True)


class NewApiKeySerializer(ApiKeySerializer):
    """The body of POST /api-keys."""

    admin = serializers.BooleanField(source="is_admin", default=False)
