"""The same request as curl, Python and Node send it."""

import json
from typing import Any

KEY = "bp_live_sk_YOUR_KEY"
MULTIPART = "multipart/form-data"


def samples(
    method: str, url: str, body: Any = None, *, key: str = "", kind: str = "", has_response_body: bool = True
) -> list[tuple[str, str]]:
    """(language, code) for a request that may be run as it is.

    `key` is the Bearer ("" for none), `kind` the body's content type ("" without a body); of a multipart body, `body` is
    its fields, files as curl writes them (`@/path`). `has_response_body`: the response has a body, which is shown.
    """
    if kind == MULTIPART:
        return [
            ("curl", _curl_form(url, body or {}, key)),
            ("Python", _python_form(url, body or {}, key)),
            ("Node", _node_form(url, body or {}, key)),
        ]
    body = None if not kind else body or {}
    return [
        ("curl", _curl(method, url, body, key)),
        ("Python", _python(method, url, body, key, has_response_body)),
        ("Node", _node(method, url, body, key, has_response_body)),
    ]


def _curl(method: str, url: str, body: Any, key: str) -> str:
    parts = [f"curl {'' if method == 'GET' else f'-X {method} '}{_quoted(url)}"]
    if key:
        parts.append(f'-H "Authorization: Bearer {key}"')
    if body is not None:
        parts += ['-H "Content-Type: application/json"', f"-d {_quoted(_json(body))}"]
    return " \\\n  ".join(parts)


def _curl_form(url: str, fields: dict[str, str], key: str) -> str:
    parts = [f"curl -X POST {_quoted(url)}", f'-H "Authorization: Bearer {key}"']
    return " \\\n  ".join([*parts, *(f"-F {_quoted(f'{name}={value}')}" for name, value in fields.items())])


def _quoted(text: str) -> str:
    """For a shell: what it would read itself in single quotes, an apostrophe outside of them."""
    return "'" + text.replace("'", "'\\''") + "'" if any(sign in text for sign in "{}[]?&'\"") else text


def _python(method: str, url: str, body: Any, key: str, has_response_body: bool) -> str:
    arguments = [json.dumps(url)]
    if key:
        arguments.append(_python_key(key))
    if body is not None:
        arguments.append(f"json={_python_literal(body)}")
    return _python_request(method, arguments, has_response_body)


def _python_key(key: str) -> str:
    return f'headers={{"Authorization": "Bearer {key}"}}'


def _python_form(url: str, fields: dict[str, str], key: str) -> str:
    texts = {name: value for name, value in fields.items() if not value.startswith("@")}
    files = [
        f'        {_text(name)}: open({_text(value[1:])}, "rb"),\n'
        for name, value in fields.items()
        if value.startswith("@")
    ]
    arguments = [
        json.dumps(url),
        _python_key(key),
        f"data={_python_literal(texts)}",
        f"files={{\n{''.join(files)}    }}",
    ]
    return _python_request("POST", arguments, has_response_body=True)


def _python_request(method: str, arguments: list[str], has_response_body: bool) -> str:
    inside = "".join(f"    {argument},\n" for argument in arguments)
    shown = "response.json()" if has_response_body else "response.status_code"
    return f"import requests\n\nresponse = requests.{method.lower()}(\n{inside})\nresponse.raise_for_status()\nprint({shown})"


def _python_literal(value: Any, depth: int = 1) -> str:
    """JSON's values as Python writes them, one key a line at the top."""
    if isinstance(value, dict) and depth == 1:
        inside = "".join(f"        {_text(key)}: {_python_literal(item, 2)},\n" for key, item in value.items())
        return f"{{\n{inside}    }}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {_python_literal(item, depth + 1)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_python_literal(item, depth + 1) for item in value) + "]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _node(method: str, url: str, body: Any, key: str, has_response_body: bool) -> str:
    options = [f'method: "{method}"']
    headers = [_node_key(key)] if key else []
    if body is not None:
        headers.append('"Content-Type": "application/json"')
        content = _json(body).replace("\n", "\n  ")
        options.append(f"body: JSON.stringify({content})")
    if headers:
        options.insert(1, f"headers: {{ {', '.join(headers)} }}")
    return _node_request(url, options, has_response_body)


def _node_key(key: str) -> str:
    return f'Authorization: "Bearer {key}"'


def _node_form(url: str, fields: dict[str, str], key: str) -> str:
    """Node 20 opens files as Blobs."""
    lines = [
        f"form.append({_text(name)}, "
        + (
            f"await openAsBlob({_text(value[1:])}), {_text(value.rpartition('/')[2])});"
            if value.startswith("@")
            else f"{_text(value)});"
        )
        for name, value in fields.items()
    ]
    options = ['method: "POST"', f"headers: {{ {_node_key(key)} }}", "body: form"]
    form = "\n".join(['import { openAsBlob } from "node:fs";', "", "const form = new FormData();", *lines])
    return f"{form}\n{_node_request(url, options, has_response_body=True)}"


def _node_request(url: str, options: list[str], has_response_body: bool) -> str:
    inside = "".join(f"  {option},\n" for option in options)
    shown = "await response.json()" if has_response_body else "response.status"
    return f"const response = await fetch({json.dumps(url)}, {{\n{inside}}});\nconsole.log({shown});"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
