"""Daphne's HTTP request, with forms left to Django."""

from typing import Any

from daphne.http_protocol import WebRequest


class LeanWebRequest(WebRequest):  # type: ignore[misc]
    """Installed by bubblyphone.serve.

    Twisted would parse the body of every form posted, for an attribute that nobody reads here, and on the event loop: an upload of
    10 MiB takes it a second, in which no call hears anything. A form that it cannot parse would not reach us at all.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._parsePOSTFormSubmission = False
