"""The errors that services raise. The API turns each into its status, a page into a message.

ApplicationError
├── InvalidRequest        422  field errors
├── InsufficientFunds     402
├── Forbidden             403
├── NotFound              404
├── Conflict              409  the resource's state forbids it
├── TooManyRequests       429  with the seconds to wait
├── UpstreamFailed        502  the carrier or a provider refused or could not be reached
└── StorageUnavailable    503  files can be neither read nor written for now
"""

from collections.abc import Mapping, Sequence


class ApplicationError(Exception):
    """A refusal that its reader can act on. `code` is for machines, `message` for people, `details` are further fields of a response."""

    status = 400
    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, details: Mapping[str, str | None] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.details = dict(details or {})

    @property
    def full_message(self) -> str:
        """The message to show where there are no fields: all texts of field errors, if there are any."""
        return self.message


class InvalidRequest(ApplicationError):
    """Field errors, `{field: [text, …]}`; nested fields by path (`tools.0.name`)."""

    status = 422
    code = "invalid_request"

    def __init__(self, errors: Mapping[str, Sequence[str]], message: str = "The given data was invalid.") -> None:
        super().__init__(message)
        self.errors = {name: list(texts) for name, texts in errors.items()}

    @property
    def full_message(self) -> str:
        return " ".join(text for texts in self.errors.values() for text in texts) or self.message


class InsufficientFunds(ApplicationError):
    status = 402
    code = "insufficient_balance"


class Forbidden(ApplicationError):
    status = 403
    code = "forbidden"


class NotFound(ApplicationError):
    status = 404
    code = "not_found"


class Conflict(ApplicationError):
    status = 409
    code = "conflict"


class TooManyRequests(ApplicationError):
    """`retry_after` in seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, retry_after: int, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class UpstreamFailed(ApplicationError):
    status = 502
    code = "upstream_failed"


class StorageUnavailable(ApplicationError):
    """`retry_after` in seconds."""

    status = 503
    code = "storage_unavailable"
    retry_after = 60

    def __init__(self) -> None:
        super().__init__("The file storage cannot be reached. Try again in a minute.")
