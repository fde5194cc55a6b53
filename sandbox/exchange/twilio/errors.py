"""Errors in Twilio's format (https://www.twilio.com/docs/api/errors)."""

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


def unauthenticated() -> TwilioError:
    return TwilioError(401, 20003, "Authenticate")


def not_found(path: str) -> TwilioError:
    return TwilioError(404, 20404, f"The requested resource {path} was not found")


def method_not_allowed() -> TwilioError:
    return TwilioError(405, 20004, "Method not allowed")


def invalid(name: str, detail: str) -> TwilioError:
    return TwilioError(400, 20001, f"Invalid parameter {name}: {detail}")


def not_offered(what: str) -> TwilioError:
    """The error for a feature of Twilio that this exchange does not have, so that it is never silently ignored."""
    return TwilioError(501, 20001, f"The built-in exchange does not offer {what}.")


def invalid_url(name: str) -> TwilioError:
    return TwilioError(400, 21205, f"{name} is not a valid URL.")


def missing_to() -> TwilioError:
    return TwilioError(400, 21201, "No 'To' number is specified")


def missing_from() -> TwilioError:
    return TwilioError(400, 21213, "No 'From' number is specified")


def missing_url() -> TwilioError:
    return TwilioError(400, 21205, "Url parameter is required.")


def invalid_to(number: str) -> TwilioError:
    return TwilioError(400, 21211, f"The phone number you are attempting to call, {number}, is not valid.")


def foreign_from(number: str) -> TwilioError:
    return TwilioError(400, 21210, f"The source phone number provided, {number}, is not yet verified for your account.")


def not_in_progress() -> TwilioError:
    return TwilioError(400, 21220, "Call is not in-progress. Cannot redirect.")


def invalid_status() -> TwilioError:
    return TwilioError(400, 21218, "Status must be canceled or completed, and canceled only before the answer.")


def not_recordable() -> TwilioError:
    return TwilioError(400, 21220, "Requested resource is not eligible for recording")


def number_missing() -> TwilioError:
    return TwilioError(400, 21421, "PhoneNumber is invalid")


def number_taken(number: str) -> TwilioError:
    return TwilioError(400, 21422, f"The requested phone number {number} is not available.")
