"""Errors as JSON: every exception of a view becomes a status and a `message`, and often `errors` by field."""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import DataError
from django.http import Http404
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ParseError,
    Throttled,
    ValidationError,
)
from rest_framework.response import Response

from bubblyphone.core.errors import (
    ApplicationError,
    Forbidden,
    InsufficientFunds,
    InvalidRequest,
    StorageUnavailable,
    TooManyRequests,
)
from bubblyphone.core.network.http import MESSAGES

logger = logging.getLogger(__name__)

# The key of errors that belong to no field of the body.
WHOLE_BODY = "body"
TOO_MANY_FIELDS = "The request has too many fields or files."


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Every error raised by a view, as JSON with a `message`. Unexpected errors are logged and answered with a plain 500."""
    match error:
        case InvalidRequest():
            return _unprocessable(error.errors, error.message)
        case TooManyRequests() | StorageUnavailable():
            headers = {"Retry-After": str(error.retry_after)}
            return Response(_refusal(error), status=error.status, headers=headers)
        case InsufficientFunds() | Forbidden():
            return Response(_refusal(error), status=error.status)
        case ApplicationError():
            return Response({"message": error.message}, status=error.status)
        case ValidationError():
            return _unprocessable(flatten_errors(error.detail))
        case ModelValidationError():
            return _unprocessable(flatten_errors(getattr(error, "message_dict", None) or error.messages))
        case ParseError():
            return _unprocessable({WHOLE_BODY: [str(error.detail)]})
        case DataError():
            logger.warning("The database rejected a value", exc_info=error)
            return _unprocessable({WHOLE_BODY: ["A value is out of range."]})
        case NotAuthenticated() | AuthenticationFailed():
            return Response({"message": MESSAGES[401]}, status=401, headers={"WWW-Authenticate": "Bearer"})
        case Http404():
            return Response({"message": MESSAGES[404]}, status=404)
        case PermissionDenied():
            return Response({"message": str(error) or MESSAGES[403]}, status=403)
        case RequestDataTooBig():
            return Response({"message": MESSAGES[413]}, status=413)
        case TooManyFieldsSent() | TooManyFilesSent():
            return _unprocessable({WHOLE_BODY: [TOO_MANY_FIELDS]})
        case Throttled():
            return Response({"message": MESSAGES[429]}, status=429, headers={"Retry-After": "60"})
        case APIException():
            message = MESSAGES.get(error.status_code) or str(error.detail)
            return Response({"message": message}, status=error.status_code)
    logger.error("Unhandled exception in an API view", exc_info=error)
    return Response({"message": MESSAGES[500]}, status=500)


def _refusal(error: ApplicationError) -> dict[str, str | None]:
    """With the machine-readable `reason`, like `insufficient_balance`, `too_many_calls` or `premium_destination`."""
    return {"message": error.message, "reason": error.code, **error.details}


def _unprocessable(errors: Mapping[str, list[str]], message: str = "The given data was invalid.") -> Response:
    return Response({"message": message, "errors": errors}, status=422)


def flatten_errors(detail: Any, path: str = "") -> dict[str, list[str]]:
    """DRF's nested errors as `{path: [text, …]}` with paths like `tools.0.name`; errors without a field are under `body`."""
    if isinstance(detail, Mapping):
        items: list[tuple[str | int, Any]] = list(detail.items())
    elif isinstance(detail, list | tuple) and any(isinstance(item, dict | list) for item in detail):
        items = list(enumerate(detail))
    else:
        texts = detail if isinstance(detail, list | tuple) else [detail]
        return {path or WHOLE_BODY: [str(text) for text in texts]} if texts else {}
    found: dict[str, list[str]] = {}
    for key, value in items:
        nested_path = path if key in ("non_field_errors", "__all__") else _join(path, key)
        for name, texts in flatten_errors(value, nested_path).items():
            found.setdefault(name, []).extend(texts)
    return found


def _join(path: str, key: str | int) -> str:
    return f"{path}.{key}" if path else str(key)
