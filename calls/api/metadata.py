"""Metadata in requests: as a field of a body, and as a filter, `?metadata[key]=value`."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from calls.metadata import MAX_KEY_CHARACTERS, MAX_KEYS, MAX_VALUE_CHARACTERS, metadata_problems


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MAX_KEYS,
        "propertyNames": {"minLength": 1, "maxLength": MAX_KEY_CHARACTERS},
        "additionalProperties": {"type": "string", "maxLength": MAX_VALUE_CHARACTERS},
    }
)
class MetadataField(serializers.Field[Any, Any, Any, Any]):
    """`{key: text}`. Null and {}: none."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or {}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if problems := metadata_problems(data):
            raise serializers.ValidationError(problems.get("") or problems)
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


class MetadataFilter(MetadataField):
    """All of the given keys have the given values."""

    takes_keys = True  # bubblyphone.core.api.known_parameters

    def get_value(self, dictionary: Mapping[Any, Any]) -> Any:
        given = {
            name.removeprefix(f"{self.field_name}[").removesuffix("]"): value
            for name, value in dictionary.items()
            if name.startswith(f"{self.field_name}[") and name.endswith("]")
        }
        if self.field_name in dictionary:
            return dictionary[self.field_name]
        return given or serializers.empty

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(f"Must name a key: {self.field_name}[key]=value.")
        return super().to_internal_value(data)
