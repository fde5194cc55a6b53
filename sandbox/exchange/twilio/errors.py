"""Errors in Twilio's format (https://www.twilio.com/docs/api/errors)."""

from functools import partial
from typing import Any


class TwilioError(Exception):
    """One error: the HTTP status, Twilio's error code, and a message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


unauthenticated = partial(TwilioError, 401, 20003, "Authenticate")
method_not_allowed = partial(TwilioError, 405, 20004, "Method not allowed")
missing_to = partial(TwilioError, 400, 21201, "No 'To' number is specified")
missing_from = partial(TwilioError, 400, 21213, "No 'From' number is specified")
missing_url = partial(TwilioError, 400, 21205, "Url parameter is required.")
not_in_progress = partial(TwilioError, 400, 21220, "Call is not in-progress. Cannot redirect.")
invalid_status = partial(
    TwilioError, 400, 21218, "Status must be canceled or completed, and canceled only before the answer."
)
not_recordable = partial(TwilioError, 400, 21220, "Requested resource is not eligible for recording")
number_missing = partial(TwilioError, 400, 21421, "PhoneNumber is invalid")


def not_found(path: str) -> TwilioError:
    return TwilioError(404, 20404, f"The requested resource {path} was not found")


def invalid(name: str, detail: str) -> TwilioError:
    return TwilioError(400, 20001, f"Invalid parameter {name}: {detail}")


def not_offered(what: str) -> TwilioError:
    """The error for a feature of Twilio that this exchange does not have, so that it is never silently ignored."""
    return TwilioError(501, 20001, f"The built-in exchange does not support {what}.")


def invalid_url(name: str) -> TwilioError:
    return TwilioError(400, 21205, f"{name} is not a valid URL.")


def invalid_to(number: str) -> TwilioError:
    return TwilioError(400, 21211, f"The phone number you are attempting to call, {number}, is not valid.")


def foreign_from(number: str) -> TwilioError:
    return TwilioError(400, 21210, f"The source phone number provided, {number}, is not yet verified for your account.")


def number_taken(number: str) -> TwilioError:
    return TwilioError(400, 21422, f"The requested phone number {number} is not available.")
