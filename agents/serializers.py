"""The shape and bounds of agent settings, the same in agents, numbers and calls.

What they may be together is decided in `agents.agent_settings.resolution`.
"""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.agent_settings import kinds
from agents.agent_settings.declarations import SETTINGS
from agents.analysis.analysis_schema import schema_problems
from agents.model_catalog import languages
from agents.selectors import find_model, in_service, unavailable_reason
from agents.tools import secret_tokens
from agents.tools.definitions import tool_problems
from agents.variables import MAX_DEFAULTS, MAX_VALUE_CHARACTERS, NAME, has_variables
from bubblyphone.core.api.amounts import AmountField
from bubblyphone.core.api.views import StrictSerializer
from bubblyphone.core.numbering.e164 import is_e164
from webhooks.http.outbound_http import validate_webhook_url

MAX_ID = 2**63 - 1


class ClearableText(serializers.CharField):
    """A text; null and "" both clear it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, "allow_blank": True, **kwargs})

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or None

    def to_internal_value(self, data: Any) -> str:
        # CharField turns numbers into text; in a prompt or a name that is a mistake of the client's.
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class EmptyableText(ClearableText):
    """Cleared, the column holds "" instead of null."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or ""


class ModelSlugField(ClearableText):
    """A model of the catalog that is turned on and not retired, in either spelling, kept as given."""

    def to_internal_value(self, data: Any) -> str:
        slug = super().to_internal_value(data)
        model = find_model(slug)
        if model is None:
            raise serializers.ValidationError("This model does not exist. See GET /models.")
        if in_service(model) is None:
            raise serializers.ValidationError(f"{unavailable_reason(model)} See GET /models.")
        return slug


@extend_schema_field({"type": "string", "maxLength": 20, "pattern": r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"})
class LanguageField(ClearableText):
    """A BCP-47 tag, kept as given; each vendor gets the nearest code that it takes."""

    def to_internal_value(self, data: Any) -> str:
        tag = super().to_internal_value(data)
        if not languages.is_valid(tag):
            raise serializers.ValidationError("Must be a BCP-47 language code, like en-US.")
        return tag


@extend_schema_field({"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"})
class PhoneNumberField(ClearableText):
    def to_internal_value(self, data: Any) -> str:
        number = super().to_internal_value(data)
        if not is_e164(number):
            raise serializers.ValidationError("Must be a phone number in E.164, like +14155550100.")
        return number


class TransferNumberField(PhoneNumberField):
    """A phone number, or a text with variables that becomes one in each call."""

    def to_internal_value(self, data: Any) -> str:
        text = ClearableText.to_internal_value(self, data)
        return text if has_variables(text) else super().to_internal_value(data)


@extend_schema_field(
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME.pattern}$"},
        "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_CHARACTERS},
    }
)
class VariablesField(serializers.DictField):
    """`{name: text}`: values for the `{{name}}` placeholders in prompts, greetings and URLs."""

    child = serializers.CharField(max_length=MAX_VALUE_CHARACTERS, allow_blank=True, trim_whitespace=False)

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        if isinstance(data, Mapping):
            errors: dict[str, list[str]] = {}
            for name, value in data.items():
                if not NAME.fullmatch(name):
                    errors[name] = [
                        "Names must start with a letter or underscore and contain only letters, digits, and underscores."
                    ]
                elif not isinstance(value, str):
                    errors[name] = ["Must be a string."]
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)


class DefaultVariablesField(VariablesField):
    """Values for `{{name}}` if a call gives none. Null and {} both clear it."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or None

    def to_internal_value(self, data: Any) -> dict[Any, Any]:
        if isinstance(data, Mapping) and len(data) > MAX_DEFAULTS:
            raise serializers.ValidationError(f"Must have at most {MAX_DEFAULTS} variables.")
        return super().to_internal_value(data)


class WebhookUrlField(ClearableText):
    """A URL that webhooks can be sent to: https and public, unless ALLOW_PRIVATE_WEBHOOKS is on."""

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        validate_webhook_url(url)
        return url


class ToolsField(serializers.Field[Any, Any, Any, Any]):
    """A list of function definitions, kept as given. Null: not said here; []: no tools."""

    def to_internal_value(self, data: Any) -> list[dict[str, Any]]:
        if problems := tool_problems(data):
            raise serializers.ValidationError(_as_detail(problems))
        return list(data)

    def to_representation(self, value: Any) -> Any:
        return value


class AnalysisSchemaField(serializers.Field[Any, Any, Any, Any]):
    """Null and {} both switch the analysis off."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or None

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if problems := schema_problems(data):
            raise serializers.ValidationError(_as_detail(problems))
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


class AgentSettingsSerializer(StrictSerializer):
    """Settings that agents and numbers share, except for the model's slug, which each names differently."""

    def get_fields(self) -> dict[str, Any]:
        return {entry.name: body_field(entry.kind) for entry in SETTINGS} | super().get_fields()


def body_field(kind: kinds.Kind) -> serializers.Field[Any, Any, Any, Any]:
    """The field that checks a setting of this kind; null clears it."""
    optional: dict[str, Any] = {"required": False, "allow_null": True}
    match kind:
        case kinds.Flag():
            return serializers.BooleanField(**optional)
        case kinds.Whole():
            return serializers.IntegerField(**optional, min_value=kind.least, max_value=kind.most)
        case kinds.Amount():
            return AmountField(**optional)
        case kinds.Choice():
            return serializers.ChoiceField(kind.values.choices, **optional)
        case kinds.Text() | kinds.Language() | kinds.Url() | kinds.TransferNumber() | kinds.ModelSlug():
            return TEXT_FIELDS[type(kind)](max_length=kind.max_length)
        case kinds.OwnKey():
            return serializers.IntegerField(**optional, min_value=1, max_value=MAX_ID)
        case kinds.Tools():
            return ToolsField(**optional)
        case kinds.Variables():
            return DefaultVariablesField(**optional)


TEXT_FIELDS: Mapping[type[kinds.Kind], type[ClearableText]] = {
    kinds.Text: ClearableText,
    kinds.Language: LanguageField,
    kinds.Url: WebhookUrlField,
    kinds.TransferNumber: TransferNumberField,
    kinds.ModelSlug: ModelSlugField,
}


class AgentSerializer(AgentSettingsSerializer):
    """The body of POST and PATCH /agents."""

    name = serializers.CharField(max_length=100)
    description = EmptyableText(max_length=500)
    model_slug = ModelSlugField(max_length=80)
    analysis_schema = AnalysisSchemaField(required=False, allow_null=True)
    daily_cap = AmountField(required=False, allow_null=True)


class ModelKeySerializer(StrictSerializer):
    """The body of POST /model-keys."""

    provider = serializers.ChoiceField(["google", "openai"])
    # The key travels in an HTTP header, which takes visible ASCII alone.
    api_key = serializers.RegexField(
        r"^[!-~]+\Z",
        min_length=10,
        max_length=500,
        error_messages={"invalid": "Must not contain spaces or special characters."},
    )
    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name


class SecretValueSerializer(StrictSerializer):
    """The body of PATCH /secrets/{id}."""

    # It travels in HTTP headers, which take visible ASCII and spaces within.
    value = serializers.RegexField(
        r"^[!-~](?:[ -~]*[!-~])?\Z",
        min_length=4,
        max_length=4000,
        trim_whitespace=False,
        error_messages={"invalid": "Must contain only ASCII characters, without spaces at the ends and line breaks."},
    )


class SecretSerializer(SecretValueSerializer):
    """The body of POST /secrets."""

    name = serializers.RegexField(
        rf"^{secret_tokens.NAME.pattern}\Z",
        trim_whitespace=False,
        error_messages={"invalid": "Must start with A-Z and contain at most 64 characters of A-Z, 0-9, and _."},
    )


def _as_detail(problems: dict[str, list[str]]) -> Any:
    """Problems of the value itself ("") as a plain list, so that they are reported under the field's own name."""
    return problems.get("") or problems
