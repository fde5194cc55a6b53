"""Refusals in the carrier's format: a numbered error with its HTTP status."""

from functools import partial
from typing import Any


class ApiError(Exception):
    """One entry of Telnyx's `errors` list. `pointer` names the field: a JSON pointer or a query parameter."""

    def __init__(self, status: int, code: str, title: str, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.pointer = pointer

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "meta": {"url": f"https://developers.telnyx.com/docs/overview/errors/{self.code}"},
        }
        if self.pointer:
            key = "pointer" if self.pointer.startswith("/") else "parameter"
            error["source"] = {key: self.pointer}
        return {"errors": [error]}


unauthenticated = partial(ApiError, 401, "10009", "Authentication failed", "The API key looks malformed or is unknown.")
call_ended = partial(
    ApiError, 422, "90018", "Call has already ended", "This call is no longer active and can't receive commands."
)
not_answered = partial(
    ApiError, 422, "90034", "Call not answered yet", "This command can only be used on an answered call."
)
answer_on_outbound = partial(ApiError, 422, "90102", "Cannot answer an outbound call", "answer is for incoming calls.")
not_streaming = partial(ApiError, 422, "90048", "Media streaming is not in use", "There is no media stream to stop.")
already_transcribing = partial(
    ApiError, 422, "90054", "Call transcription is already in progress", "Stop the current transcription first."
)


def not_authorized(detail: str) -> ApiError:
    return ApiError(403, "10010", "Authorization failed", detail)


def not_found(what: str) -> ApiError:
    return ApiError(404, "10005", "Resource not found", f"The requested {what} could not be found.")


def missing(pointer: str) -> ApiError:
    return ApiError(422, "10004", "Missing required parameter", f"The parameter {pointer} is required.", pointer)


def invalid(pointer: str, detail: str) -> ApiError:
    return ApiError(422, "10015", "Bad Request", detail, pointer)


def not_offered(pointer: str) -> ApiError:
    """The error for a feature of Telnyx that this exchange does not have, so that it is never silently ignored."""
    return ApiError(501, "10015", "Not supported", f"The built-in exchange does not support {pointer}.", pointer)


def invalid_number(pointer: str) -> ApiError:
    return ApiError(422, "10016", "Phone number must be in +E164 format", "Use a number like +14155550100.", pointer)


def invalid_client_state(pointer: str) -> ApiError:
    return ApiError(422, "90017", "Invalid value for client_state", "client_state must be base64.", pointer)


def unknown_call(status: int = 422) -> ApiError:
    return ApiError(status, "90015", "Invalid Call Control ID", "The call_control_id provided is not known.")


def speak_length() -> ApiError:
    detail = "The payload of a speak command must have 1 to 3000 characters."
    return ApiError(422, "90010", "Invalid payload length", detail, "/payload")
