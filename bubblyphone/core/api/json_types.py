"""Values of a JSON body by their JSON type: DRF takes "5", 1 and " x " for an integer, a boolean and a short text."""

from typing import Any

from rest_framework import serializers


def type_problem(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    """Why `value` does not have the type that the API's description gives this field, as a sentence; None if it does, or is null."""
    match field:
        case _ if value is None:
            return None
        case serializers.BooleanField() if not isinstance(value, bool):
            return "Must be a valid boolean."
        case serializers.IntegerField() if not _is_whole(value):
            return "A valid integer is required."
        case serializers.CharField() if not isinstance(value, str):
            return "Not a valid string."
        # Counted before surrounding spaces are removed.
        case serializers.CharField() if field.max_length is not None and len(value) > field.max_length:
            return f"Ensure this field has no more than {field.max_length} characters."
    return None


def _is_whole(value: Any) -> bool:
    """JSON has one number type: 5 and 5.0 are the same."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
