"""The same request as curl, Python and Node send it."""

import json
from typing import Any

KEY = "bp_live_sk_YOUR_KEY"


def samples(method: str, url: str, body: Any, needs_key: bool, kind: str) -> list[tuple[str, str]]:
    """(language, code) for a request. `kind` is the body's content type; of a multipart body, `body` is its fields."""
    is_multipart = kind == "multipart/form-data"
    if is_multipart:
        return [("curl", _curl_form(url, body or {}))]
    body = None if not kind else body or {}
    return [
        ("curl", _curl(method, url, body, needs_key)),
        ("Python", _python(method, url, body, needs_key)),
        ("Node", _node(method, url, body, needs_key)),
    ]


def _curl(method: str, url: str, body: Any, needs_key: bool) -> str:
    parts = [f"curl {'' if method == 'GET' else f'-X {method} '}{_quoted(url)}"]
    if needs_key:
        parts.append(f'-H "Authorization: Bearer {KEY}"')
    if body is not None:
        parts += ['-H "Content-Type: application/json"', f"-d {_quoted(_json(body))}"]
    return " \\\n  ".join(parts)


def _curl_form(url: str, fields: dict[str, str]) -> str:
    parts = [f"curl -X POST {_quoted(url)}", f'-H "Authorization: Bearer {KEY}"']
    return " \\\n  ".join([*parts, *(f"-F {_quoted(f'{name}={value}')}" for name, value in fields.items())])


def _quoted(text: str) -> str:
    """For a shell: braces and quotes in single quotes, an apostrophe outside of them."""
    return "'" + text.replace("'", "'\\''") + "'" if any(sign in text for sign in "{}[]'\"") else text


def _python(method: str, url: str, body: Any, needs_key: bool) -> str:
    arguments = [json.dumps(url)]
    if needs_key:
        arguments.append(f'headers={{"Authorization": "Bearer {KEY}"}}')
    if body is not None:
        arguments.append(f"json={_python_literal(body)}")
    inside = "".join(f"    {argument},\n" for argument in arguments).replace("\n    }", "\n    }")
    shown = "answer.status_code" if method == "DELETE" else "answer.json()"
    return (
        f"import requests\n\nanswer = requests.{method.lower()}(\n{inside})\nanswer.raise_for_status()\nprint({shown})"
    )


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


def _node(method: str, url: str, body: Any, needs_key: bool) -> str:
    options = [f'method: "{method}"']
    headers = [f'Authorization: "Bearer {KEY}"'] if needs_key else []
    if body is not None:
        headers.append('"Content-Type": "application/json"')
        content = _json(body).replace("\n", "\n  ")
        options.append(f"body: JSON.stringify({content})")
    if headers:
        options.insert(1, f"headers: {{ {', '.join(headers)} }}")
    inside = "".join(f"  {option},\n" for option in options)
    shown = "answer.status" if method == "DELETE" else "await answer.json()"
    return f"const answer = await fetch({json.dumps(url)}, {{\n{inside}}});\nconsole.log({shown});"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
