"""Tools made of the operations of an OpenAPI document: each becomes a definition with a URL (`agents.tools.http_tools`)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from django.core.exceptions import ValidationError

from agents.tools.definitions import MAX_DESCRIPTION, RESERVED_NAMES, tool_problems
from agents.tools.http_tools import FIXED_HEADERS
from agents.tools.openapi_document import MAX_SCHEMA_DEPTH, References, UnusableDocument, UnusableOperation
from webhooks.http.outbound_http import validate_webhook_url

METHODS = ("get", "post", "put", "patch", "delete")
WITHOUT_BODY = ("get", "delete")
MAX_OPERATIONS = 200
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
# Set by us or by the definition, regardless of the document (OpenAPI: such parameters "SHALL be ignored").
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"}) | FIXED_HEADERS


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of the document: the tool it becomes, or why it cannot become one."""

    method: str
    path: str
    summary: str
    tool: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    secrets: tuple[str, ...] = ()


@dataclass(slots=True)
class _Request:
    """The request as far as it is known."""

    path: str
    query: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)


def operations_of(
    document: Mapping[str, Any], *, server: str = "", words: str = "", taken: Iterable[str] = ()
) -> list[Operation]:
    """The operations of the document, in order, with names that are not `taken`.

    `server` replaces the URL in the document. With `words`, only operations that have all of them in their path, ID, summary or
    tags. Raises UnusableDocument if no request could be made, or for more than MAX_OPERATIONS.
    """
    base = server.strip() or _server_of(document)
    try:
        if set("?#{}") & set(base):
            raise ValidationError("It must not have a query, a fragment, or braces.")
        validate_webhook_url(base)
    except ValidationError as error:
        raise UnusableDocument(f"The server URL ({base[:100]}) cannot be used. {error.messages[0]}") from error
    found: list[Operation] = []
    names = {*RESERVED_NAMES, *taken}
    for path, method, shared, operation in _walk(document):
        if not _has(words, method, path, operation):
            continue
        if len(found) == MAX_OPERATIONS:
            raise UnusableDocument(
                f"More than {MAX_OPERATIONS} operations. Narrow them down with words of their paths or names."
            )
        found.append(_read(document, base, path, method, [shared, operation], names))
    return found


def _walk(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS if isinstance(item, Mapping) else ():
            if isinstance(item.get(method), Mapping):
                yield path, method, item.get("parameters"), item[method]


def _has(words: str, method: str, path: str, operation: Mapping[str, Any]) -> bool:
    about = [method, path, operation.get("operationId"), operation.get("summary"), *_list(operation.get("tags"))]
    text = " ".join(map(str, about)).lower()
    return all(word in text for word in words.lower().split())


def _server_of(document: Mapping[str, Any]) -> str:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = str(first.get("url", "")) if isinstance(first, Mapping) else ""
    if "://" not in url:
        raise UnusableDocument("The document does not specify a server. Enter the server URL.")
    variables = first.get("variables") if isinstance(first, Mapping) else None
    known = variables if isinstance(variables, Mapping) else {}

    def default(match: re.Match[str]) -> str:
        variable = known.get(match[1])
        return str(variable.get("default", "")) if isinstance(variable, Mapping) else match[0]

    return _PLACEHOLDER.sub(default, url)


def _read(
    document: Mapping[str, Any], base: str, path: str, method: str, parts: list[Any], names: set[str]
) -> Operation:
    shared, operation = parts
    summary = str(operation.get("summary") or operation.get("description") or "").strip()
    shown = Operation(method.upper(), path, summary[:200])
    try:
        request = _Request(path)
        references = References(document)
        declared = map(references.follow, [*_list(shared), *_list(operation.get("parameters"))])
        # The operation's own replace those of its path.
        for parameter in {(str(one.get("name")), str(one.get("in"))): one for one in declared}.values():
            _add_parameter(request, references, parameter, method)
        if method not in WITHOUT_BODY:
            _add_body(request, references, references.follow(operation.get("requestBody")))
        _add_security(request, references, document, operation.get("security", document.get("security")))
        tool = _definition(request, base, method, operation, names)
    except UnusableOperation as error:
        return replace(shown, problem=str(error))
    without_address = {name: tool[name] for name in ("name", "description", "parameters")}
    if problems := tool_problems([without_address]):  # the address is checked when it is saved, with a DNS lookup
        where, texts = next(iter(problems.items()))
        name = where.removeprefix("0").removeprefix(".")
        return replace(shown, problem=f"{name}: {texts[0]}" if name else texts[0])
    names.add(tool["name"])
    return replace(shown, tool=tool, secrets=tuple(request.secrets))


def _definition(
    request: _Request, base: str, method: str, operation: Mapping[str, Any], names: set[str]
) -> dict[str, Any]:
    if unknown := [name for name in _PLACEHOLDER.findall(request.path) if name not in request.properties]:
        raise UnusableOperation(f"The path has {{{unknown[0]}}}, which is not one of its parameters.")
    url = f"{base.rstrip('/')}/{request.path.lstrip('/')}"
    query = "&".join(request.query)
    words = [str(operation.get("summary") or ""), str(operation.get("description") or "")]
    description = "\n".join(dict.fromkeys(filter(None, map(str.strip, words))))
    parameters: dict[str, Any] = {"type": "object", "properties": request.properties}
    if request.required:
        parameters["required"] = list(dict.fromkeys(request.required))
    return {
        "name": _free_name(str(operation.get("operationId") or f"{method}{request.path}"), names),
        "description": description[:MAX_DESCRIPTION],
        "parameters": parameters,
        "url": f"{url}?{query}" if query else url,
        "method": method.upper(),
        **({"headers": request.headers} if request.headers else {}),
    }


def _free_name(wanted: str, names: set[str]) -> str:
    stem = _NO_NAME.sub("_", wanted).strip("_-")[:60] or "tool"
    stem = stem if not stem[0].isdecimal() else f"_{stem}"
    return next(name for name in (stem, *(f"{stem}_{number}" for number in range(2, 999))) if name not in names)


# --- parameters and body ----------------------------------------------------------------------------------------------
def _add_parameter(request: _Request, references: References, parameter: Mapping[str, Any], method: str) -> None:
    name, place = str(parameter.get("name", "")), parameter.get("in")
    is_required = parameter.get("required") is True
    if place in ("header", "cookie"):
        _add_fixed(request, references, parameter, name)
        return
    if place == "query" and method not in WITHOUT_BODY and not is_required:
        return  # with a body, arguments go into it, so required query parameters go into the URL
    argument = _NO_NAME.sub("_", name)[:63]
    argument = argument if argument[:1].isalpha() or argument[:1] == "_" else f"_{argument}"
    if place == "path":
        request.path = request.path.replace(f"{{{name}}}", f"{{{argument}}}")
    elif argument != name or method not in WITHOUT_BODY:  # otherwise the tool adds it to the query
        request.query.append(f"{quote(name, safe='')}={{{argument}}}")
    schema = references.schema(parameter.get("schema", {}))
    if description := str(parameter.get("description") or "").strip():
        schema["description"] = description[:300]
    request.properties[argument] = schema
    if is_required or place == "path":
        request.required.append(argument)


def _add_fixed(request: _Request, references: References, parameter: Mapping[str, Any], name: str) -> None:
    """A header cannot be an argument: it has a fixed value, or it is omitted."""
    if parameter.get("required") is not True or name.lower() in _IGNORED_HEADERS:
        return
    schema = references.schema(parameter.get("schema", {}))
    choices = _list(schema.get("enum")) or [schema.get("const", schema.get("default"))]
    if parameter.get("in") == "cookie" or choices[0] is None:
        raise UnusableOperation(f"Requires the {parameter.get('in')} {name[:60]}, which a tool argument cannot fill.")
    request.headers[name] = str(choices[0])


def _add_body(request: _Request, references: References, body: Mapping[str, Any]) -> None:
    content = body.get("content")
    if not isinstance(content, Mapping) or not content:
        return
    kinds = [kind for kind in content if str(kind).partition(";")[0].strip().endswith(("/json", "+json", "*/*"))]
    if not kinds:
        raise UnusableOperation(f"Accepts {next(iter(content))!s:.60} instead of JSON.")
    media = references.follow(content[kinds[0]])
    whole = _merged(references, media.get("schema", {}), 0)
    for name, schema in whole.get("properties", {}).items():
        request.properties.setdefault(name, schema)
    request.required += whole.get("required", [])


def _merged(references: References, schema: Any, depth: int) -> dict[str, Any]:
    """The body as one object: models do not support alternatives there, and `allOf` parts are merged."""
    found = references.follow(schema)
    if "oneOf" in found or "anyOf" in found:
        raise UnusableOperation("The request body has alternatives, but a tool has one set of parameters.")
    kinds = found.get("type", "object")
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]) or depth > MAX_SCHEMA_DEPTH:
        raise UnusableOperation("The request body is not a JSON object.")
    whole = references.schema({name: value for name, value in found.items() if name != "allOf"})
    for part in _list(found.get("allOf")):
        other = _merged(references, part, depth + 1)
        whole["properties"] = {**whole.get("properties", {}), **other.get("properties", {})}
        whole["required"] = [*whole.get("required", []), *other.get("required", [])]
    return whole


# --- security ---------------------------------------------------------------------------------------------------------
def _add_security(request: _Request, references: References, document: Mapping[str, Any], wanted: Any) -> None:
    """The first alternative counts: each of its schemes becomes a secret that the account adds."""
    first = next((one for one in _list(wanted) if isinstance(one, Mapping)), {})
    components = references.follow(document.get("components"))
    schemes = references.follow(components.get("securitySchemes"))
    for name in first:
        scheme = references.follow(schemes.get(name))
        secret = _NO_NAME.sub("_", str(name)).replace("-", "_").upper().strip("_")[:60] or "API_KEY"
        secret = secret if secret[0].isalpha() else f"S_{secret}"
        token = f"{{{{secret.{secret}}}}}"
        match scheme.get("type"), scheme.get("in"), str(scheme.get("scheme", "")).lower():
            case "apiKey", "header", _:
                request.headers[str(scheme.get("name"))] = token
            case "apiKey", "query", _:
                request.query.append(f"{quote(str(scheme.get('name')), safe='')}={token}")
            case "http", _, "basic":
                request.headers["Authorization"] = f"Basic {token}"
            case ("http", _, "bearer") | ("oauth2" | "openIdConnect", _, _):
                request.headers["Authorization"] = f"Bearer {token}"
            case kind, _, _:
                raise UnusableOperation(
                    f"Uses an authentication method that tools do not support ({kind or name!s:.60})."
                )
        request.secrets.append(secret)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
