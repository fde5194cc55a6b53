"""A developer's server's response to a tool call, as given to the model and shown in the webhook log.

The model may read an error out to the caller, so its words are for callers: no status codes, no formats, no host names.
The log has the technical reason.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import strip_tags

from agents.tools.http_tools import at_path
from bubblyphone.core.json.documents import InvalidJSON, parse_lenient_json
from webhooks.http.outbound_http import PostResult

# Longer results would overload the model, which gets an error instead.
MAX_RESULT_CHARACTERS = 16_000
NO_ANSWER = "The service behind this is not responding right now."
FAILED = "This could not be completed."
TOO_LONG = "The answer is too long to be used. Ask for something more specific."


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """`result` has the key `result` or `error`. `problem` is for the developer; "" if there is none."""

    result: Mapping[str, Any]
    problem: str = ""


def read_answer(response: PostResult) -> ToolAnswer:
    """Interpret a response.

    Any 2xx is a success: the value of `{"result": …}`, otherwise all of the JSON or text, or an empty result without a body. `{"error":
    …}` instead of a result is an error worded by the server.
    """
    if response.status is None:
        return ToolAnswer({"error": NO_ANSWER})
    if response.error is not None or not 200 <= response.status < 300:
        return ToolAnswer({"error": FAILED})
    if not response.is_whole or len(response.body) > MAX_RESULT_CHARACTERS:
        limit = f"The response is longer than {MAX_RESULT_CHARACTERS} characters, the most that a model can receive."
        return ToolAnswer({"error": TOO_LONG}, limit)
    if not response.body.strip():
        return ToolAnswer({"result": ""})
    try:
        value = parse_lenient_json(response.body)
    except InvalidJSON:
        return ToolAnswer({"result": _as_text(response.body)})
    if isinstance(value, dict) and "result" in value:
        return ToolAnswer({"result": value["result"]})
    if isinstance(value, dict) and value.get("error"):
        return ToolAnswer({"error": value["error"]})
    return ToolAnswer({"result": value})


def read_document(response: PostResult, result_path: str) -> tuple[ToolAnswer, Any]:
    """The answer of a tool with its own URL, and the JSON document of the response; None if it was not JSON.

    With a `result_path`, the value at that path is the result. Plain text is passed unchanged.
    """
    answer = read_answer(response)
    if response.error is not None or not response.is_success or not response.is_whole:
        return answer, None
    try:
        document = parse_lenient_json(response.body)
    except InvalidJSON:
        return answer, None
    if not result_path:
        return answer, document
    try:
        result = at_path(document, result_path)
    except LookupError:
        return ToolAnswer({"error": FAILED}, f"The response has no {result_path}."), document
    if len(json.dumps(result, ensure_ascii=False)) > MAX_RESULT_CHARACTERS:
        limit = f"The result is longer than {MAX_RESULT_CHARACTERS} characters, the most that a model can receive."
        return ToolAnswer({"error": TOO_LONG}, limit), document
    return ToolAnswer({"result": result}), document


def _as_text(body: str) -> str:
    """Plain text unchanged; for an HTML page, its visible text."""
    text = body.strip()
    return " ".join(strip_tags(text).split()) if text.startswith("<") else text
