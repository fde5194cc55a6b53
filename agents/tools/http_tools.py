"""Tools with a `url`: which definitions are allowed, and the request that a tool call becomes.

In `url`, `{argument}`, `{{variable}}` and `{{secret.NAME}}` are allowed in path and query; in `headers`, `{{variable}}` and
`{{secret.NAME}}`. All are replaced in one pass, so a value that looks like a placeholder stays text.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.core.exceptions import ValidationError

from agents import variables
from agents.json_checks import Problem
from agents.tools.secret_tokens import NAME as SECRET_NAME
from webhooks.http.outbound_http import MAX_URL_LENGTH, validate_webhook_url

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WITHOUT_BODY = frozenset({"GET", "DELETE"})
BODIES = ("arguments", "event")
FIELDS = frozenset({"url", "method", "headers", "timeout_seconds", "body", "result_path", "save_as"})
DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 10, 30
MAX_HEADERS, MAX_HEADER_CHARACTERS = 20, 4000
MAX_SAVED = 20
MAX_PATH_CHARACTERS = 200
# Set by us, or connection headers.
FIXED_HEADERS = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect",
    "proxy-authorization", "proxy-connection", "accept-encoding", "idempotency-key", "x-signature", "x-timestamp", "x-webhook-id",
})  # fmt: skip
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PATH = re.compile(r"[^\s.\[\]]+(?:\.[^\s.\[\]]+|\[[0-9]+\])*")
_TOKEN = re.compile(
    r"\{\{\s*secret\.(?P<secret>" + SECRET_NAME.pattern + r")\s*\}\}"
    r"|\{\{\s*(?P<variable>" + variables.NAME.pattern + r")\s*(?:\|(?P<default>[^{}]*))?\}\}"
    r"|\{(?P<argument>[A-Za-z_][A-Za-z0-9_-]{0,63})\}"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


class UnusableRequest(ValueError):
    """The request cannot be made; the message is for the developer."""


@dataclass(frozen=True, slots=True)
class HttpTool:
    """A checked definition with its defaults."""

    name: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    body: str = "arguments"
    result_path: str = ""
    save_as: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    body: str  # "": none


def http_tools(tools: Iterable[Mapping[str, Any]]) -> dict[str, HttpTool]:
    """The tools with their own URL, by name."""
    return {
        tool["name"]: HttpTool(name=tool["name"], **{name: tool[name] for name in FIELDS if tool.get(name) is not None})
        for tool in tools
        if tool.get("url")
    }


def saved_names(tools: Iterable[Mapping[str, Any]]) -> set[str]:
    """The variables that tools can set during a call."""
    return {name for tool in tools for name in tool.get("save_as") or ()}


# --- the request ------------------------------------------------------------------------------------------------------
def build_request(
    tool: HttpTool,
    arguments: Mapping[str, Any],
    values: Mapping[str, str],
    secret: Callable[[str], str],
    *,
    event: str,
) -> HttpRequest:
    """The request of a tool call.

    `secret` returns a secret's value by name, `event` is the body for `body: "event"`. Raises UnusableRequest if an argument or variable
    in the URL has no usable value, and KeyError from `secret`.
    """
    url = _fill_url(tool.url, arguments, values, secret)
    if tool.method in WITHOUT_BODY:
        used = {match["argument"] for match in _TOKEN.finditer(tool.url)}
        rest = {name: value for name, value in arguments.items() if name not in used and value is not None}
        pairs = [f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in _pairs(rest)]
        url += ("&" if "?" in url else "?") + "&".join(pairs) if pairs else ""
    if len(url) > MAX_URL_LENGTH:
        raise UnusableRequest(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    headers = {name: _fill_header(text, values, secret) for name, text in tool.headers.items()}
    body = ""
    if tool.method not in WITHOUT_BODY:
        body = event if tool.body == "event" else json.dumps(dict(arguments), ensure_ascii=False, separators=(",", ":"))
    return HttpRequest(tool.method, url, headers, body)


def _fill_url(
    template: str, arguments: Mapping[str, Any], values: Mapping[str, str], secret: Callable[[str], str]
) -> str:
    path_end = template.find("?") if "?" in template else len(template)

    def value(match: re.Match[str]) -> str:
        if match["secret"]:
            return quote(secret(match["secret"]), safe="")
        text = _as_text(arguments.get(match["argument"])) if match["argument"] else _variable(match, values)
        if not text and match.start() < path_end:
            kind = "argument" if match["argument"] else "variable"
            raise UnusableRequest(
                f"The {kind} {match['argument'] or match['variable']} has no value, but the URL requires it."
            )
        return quote(text, safe="")

    url = _TOKEN.sub(value, template)
    # Servers treat these as parent directories, encoded or not, which would reach another resource than the configured one.
    if any(part in (".", "..") for part in re.split(r"[/\\]", unquote(urlsplit(url).path))):
        raise UnusableRequest("An argument would change the path of the URL.")
    return url


def _fill_header(template: str, values: Mapping[str, str], secret: Callable[[str], str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match["argument"]:
            return match[0]
        text = secret(match["secret"]) if match["secret"] else _variable(match, values)
        return _CONTROLS.sub(" ", text)

    return _TOKEN.sub(value, template).strip()


def _variable(match: re.Match[str], values: Mapping[str, str]) -> str:
    return values.get(match["variable"]) or (match["default"] or "").strip()


def _pairs(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """For a list, one pair per value."""
    for name, value in arguments.items():
        for one in value if isinstance(value, list) else [value]:
            yield name, _as_text(one)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- the response -----------------------------------------------------------------------------------------------------
def at_path(document: Any, path: str) -> Any:
    """The value at a dotted path, like `data.items.0.name` or `data.items[0].name`. Raises LookupError."""
    for part in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(document, list) and part.isdecimal():
            document = document[int(part)]
        elif isinstance(document, Mapping):
            document = document[part]
        else:
            raise LookupError(part)
    return document


def saved_values(tool: HttpTool, document: Any) -> dict[str, str]:
    """The variables that a response sets; missing ones are omitted."""
    found = {}
    for name, path in tool.save_as.items():
        try:
            value = at_path(document, path)
        except LookupError:
            continue
        if value is not None:
            found[name] = _as_text(value)[: variables.MAX_VALUE_CHARACTERS].replace("\x00", "")
    return found


# --- what may be defined ----------------------------------------------------------------------------------------------
def definition_problems(tool: Mapping[str, Any], parameters: Iterable[str], path: str) -> Iterator[Problem]:
    """Problems in the request fields of a definition; `parameters` are the names of the tool's parameters."""
    if tool.get("url") is None:
        for name in sorted(FIELDS & {key for key, value in tool.items() if value is not None}):
            yield f"{path}.{name}", "Requires a url."
        return
    for text in _url_problems(tool["url"], set(parameters)):
        yield f"{path}.url", text
    method = tool.get("method") or "POST"
    if method not in METHODS:
        yield f"{path}.method", f"Must be one of {', '.join(METHODS)}."
    seconds = tool.get("timeout_seconds")
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if seconds is not None and not (is_whole and 1 <= seconds <= MAX_TIMEOUT_SECONDS):
        yield f"{path}.timeout_seconds", f"Must be a whole number from 1 to {MAX_TIMEOUT_SECONDS}."
    body = tool.get("body") or "arguments"
    if body not in BODIES:
        yield f"{path}.body", f"Must be {' or '.join(BODIES)}."
    elif body == "event" and method in WITHOUT_BODY:
        yield f"{path}.body", f"{method} requests have no body."
    yield from _header_problems(tool.get("headers"), f"{path}.headers")
    if (result_path := tool.get("result_path")) is not None and not _is_path(result_path):
        yield f"{path}.result_path", "Must be a dotted path, like data.items.0.name."
    yield from _save_as_problems(tool.get("save_as"), f"{path}.save_as")


def _url_problems(url: object, parameters: set[str]) -> Iterator[str]:
    if not isinstance(url, str):
        yield "Must be a string."
        return
    host_end = next((index for index in range(url.find("://") + 3, len(url)) if url[index] in "/?"), len(url))
    if any(match.start() < host_end for match in _TOKEN.finditer(url)):
        yield "Placeholders are allowed in the path and the query only."
        return
    example = _TOKEN.sub("x", url)
    if "{" in example or "}" in example:
        yield "Contains a brace that is not part of a placeholder. Use {argument}, {{variable}}, or {{secret.NAME}}."
        return
    if "#" in example:
        yield "Must not have a fragment."
    if any(part in (".", "..") for part in example[host_end:].partition("?")[0].split("/")):
        yield "Must not contain /./ or /../."
    for unknown in sorted({match["argument"] for match in _TOKEN.finditer(url) if match["argument"]} - parameters):
        yield f"The tool has no parameter {unknown}."
    try:
        validate_webhook_url(example)
    except ValidationError as error:
        yield from error.messages


def _header_problems(headers: object, path: str) -> Iterator[Problem]:
    if headers is None:
        return
    if not isinstance(headers, Mapping) or len(headers) > MAX_HEADERS:
        yield path, f"Must be an object with at most {MAX_HEADERS} headers."
        return
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            yield f"{path}.{name}", "Not a valid header name."
        elif name.lower() in FIXED_HEADERS:
            yield f"{path}.{name}", "We set this header. Remove it."
        elif not isinstance(text, str) or len(text) > MAX_HEADER_CHARACTERS or _CONTROLS.search(text):
            yield (
                f"{path}.{name}",
                f"Must be a string of at most {MAX_HEADER_CHARACTERS} characters without line breaks.",
            )


def _save_as_problems(saved: object, path: str) -> Iterator[Problem]:
    if saved is None:
        return
    if not isinstance(saved, Mapping) or len(saved) > MAX_SAVED:
        yield path, f'Must be an object with at most {MAX_SAVED} variables, like {{"booking_id": "data.id"}}.'
        return
    for name, where in saved.items():
        if not variables.NAME.fullmatch(name):
            yield f"{path}.{name}", "Not a valid variable name."
        elif not _is_path(where):
            yield f"{path}.{name}", "Must be a dotted path, like data.items.0.name."


def _is_path(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_PATH_CHARACTERS and _PATH.fullmatch(value) is not None
