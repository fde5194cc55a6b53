"""Values that no legitimate client sends, and fingerprints to show that refusing them changed nothing."""

import json
from typing import Any

from django.db import connection

# Percent-encoded, as in a path or query.
TEXTS = [
    "a%00b", "%00", "%ff%fe", "%ed%a0%80", "%c0%af", "0", "-1", "1e999", "NaN", str(2**31), str(2**63), "9" * 5000, "%D9%A1", "1%C2%B2",
    "a%0d%0ab", "a" * 3000, "%F0%9F%92%A9", "..%2f..%2fetc", "%25s%25n", "'%20OR%201=1--", "%5B%5D", "0001-01-01",
    "9999-12-31T23:59:59%2B14:00",
]  # fmt: skip


def _raw(value: str) -> bytes:
    return b'{"name":%s}' % value.encode("utf-8", "surrogatepass")


def lists(depth: int) -> str:
    return "[" * depth + "]" * depth


# Not JSON objects to us. None of these may have an effect anywhere.
BROKEN_BODIES: dict[str, bytes] = {
    "a lone surrogate, escaped": _raw('"\\ud83d"'),
    "a lone surrogate, raw": b'{"name":"\xed\xa0\x80"}',
    "invalid UTF-8": b'{"name":"\xff\xfe"}',
    "UTF-16": '{"name":"a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name":"a"}',
    "1e999": _raw("1e999"),
    "NaN": _raw("NaN"),
    "-Infinity": _raw("-Infinity"),
    "10,000 lists": _raw(lists(10_000)),
    "65 lists": _raw(lists(65)),
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "half of an object": b'{"name":"a"',
    "10,000 open lists": b"[" * 10_000,
    "a list": b"[]",
    "a list of objects": b'[{"name":"a"}]',
    "a text": b'"name"',
    "a number": b"1",
    "null": b"null",
    "a null character": _raw('"a\\u0000b"'),
    "a null character in a name": b'{"a\\u0000b":1}',
    "raw null characters": b"\x00" * 64,
    "a form": b"name=a&email=b",
    "two objects": b"{}{}",
    "a comment": b'{"name":"a"} // no',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}  # fmt: skip
TOO_LARGE: dict[str, bytes] = {
    "a text of 5 MB": b'{"name":"%s"}' % (b"a" * 5_000_000),
    "5 MB of spaces": b" " * 5_000_000,
}  # fmt: skip

# Values to put in every field. Some are valid for some fields.
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, 10**18, 2**63, -(2**63), "", " ", "a" * 100_000, "\u202e\u0007", "\U0001f4a9" * 300, "1e999",
    "NaN", "9" * 400, "²", [], [[]], [None], [{}], ["a"] * 2000, [{"name": None}], {}, {"": ""}, {"a": {"b": {"c": []}}},
    {"type": "object"}, {"$ref": "#"}, "{{a}}" * 1000, "http://", "http://[::1", "https://\u00a0.example", "2026-02-30", "+1",
]  # fmt: skip
# One value of each kind, to put in a single field.
TELLING_VALUES: list[Any] = [
    None, True, -1, 1e308, 2**63, "", "a" * 100_000, "\u202e\u0007", "²", [None], [{}], {"a": {"b": {"c": []}}}, "+1",
]  # fmt: skip
# Written as raw JSON, because Python's encoder cannot produce them.
RAW_VALUES = ["1" + "0" * 400, "-" + "9" * 5000, "1e400", '"\\u0000"', lists(60)]


def with_field(example: dict[str, Any], name: str, raw: str) -> bytes:
    """The example with one field replaced by raw JSON."""
    rest = {key: value for key, value in example.items() if key != name}
    return f"{json.dumps(rest)[:-1]}{', ' if rest else ''}{json.dumps(name)}: {raw}}}".encode()


def doubled(example: dict[str, Any], name: str, raw: str) -> bytes:
    """The example with a duplicate field, whose second value is this raw JSON."""
    return f"{json.dumps(example)[:-1]}, {json.dumps(name)}: {raw}}}".encode()


# Tables about the requests themselves, and copies of the carrier's data.
UNCOUNTED = {
    "django_session", "accounts_idempotentanswer", "accounts_browsersession", "accounts_sessiontoken", "numbers_countryrequirements",
}  # fmt: skip
# Reading an account's events numbers the events that nobody has read yet: webhooks.event_feed.
NUMBERED_BY_READING = "webhooks_event"


def rows() -> dict[str, str]:
    """A fingerprint of each table that has rows, except those in UNCOUNTED and the numbers of events."""
    names = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - UNCOUNTED
    queries = []
    for name in sorted(names):
        position = " - 'position'" if name == NUMBERED_BY_READING else ""
        row = f"md5((to_jsonb(t) - 'last_used_at' - 'last_seen_at'{position})::text)"
        queries.append(f"SELECT '{name}', md5(string_agg({row}, '' ORDER BY {row})) FROM {name} t")  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(queries))
        return {name: found for name, found in cursor.fetchall() if found}


# In WSGI's form. Invalid lengths never reach Django: tests/services/test_connection_phases.py.
HEADERS: list[tuple[str, str]] = [
    ("HTTP_AUTHORIZATION", ""), ("HTTP_AUTHORIZATION", "Bearer"), ("HTTP_AUTHORIZATION", "Bearer \x00"),
    ("HTTP_AUTHORIZATION", "Bearer \xff\xfe"), ("HTTP_AUTHORIZATION", "Bearer " + "a" * 100_000), ("HTTP_AUTHORIZATION", "Basic a"),
    ("HTTP_AUTHORIZATION", "Bearer bp_live_sk_" + "\xe9" * 40), ("HTTP_AUTHORIZATION", "Bearer a b c"),
    ("CONTENT_TYPE", ""), ("CONTENT_TYPE", "\x00"), ("CONTENT_TYPE", "application/json; charset=undefined"),
    ("CONTENT_TYPE", "multipart/form-data"), ("CONTENT_TYPE", "multipart/form-data; boundary=\xff"),
    ("CONTENT_TYPE", "multipart/form-data; boundary=" + "b" * 5000), ("CONTENT_TYPE", "text/" + "x" * 9000),
    ("CONTENT_TYPE", "application/x-www-form-urlencoded; charset=utf-7"), ("CONTENT_TYPE", "\xff/\xff; =;;"),
    ("HTTP_IDEMPOTENCY_KEY", ""), ("HTTP_IDEMPOTENCY_KEY", "\x00"), ("HTTP_IDEMPOTENCY_KEY", "k" * 256), ("HTTP_IDEMPOTENCY_KEY", "\xe9"),
    ("HTTP_X_REQUEST_ID", "\x00"), ("HTTP_X_REQUEST_ID", "r" * 9000), ("HTTP_X_REQUEST_ID", "a\xff"),
    ("HTTP_ACCEPT", "\xff"), ("HTTP_ACCEPT", "text/html;q=nan"), ("HTTP_ACCEPT_LANGUAGE", "a-" * 9000),
    ("HTTP_ACCEPT_ENCODING", "\xff;q=x"),
    ("HTTP_COOKIE", 'sessionid="\\000"'), ("HTTP_COOKIE", "sessionid=\xff; =;;"), ("HTTP_HOST", "a b"), ("HTTP_HOST", "\xff"),
    ("HTTP_HOST", "[::1"), ("HTTP_ORIGIN", "http://[::1"), ("HTTP_ORIGIN", "\x00"), ("HTTP_X_FORWARDED_FOR", "\x00, ,"),
    ("HTTP_X_HTTP_METHOD_OVERRIDE", "DELETE"), ("HTTP_IF_MODIFIED_SINCE", "9" * 400), ("HTTP_IF_NONE_MATCH", "\xff"),
    ("HTTP_RANGE", "bytes=" + "9" * 400 + "-"), ("HTTP_CONTENT_ENCODING", "gzip"), ("HTTP_ACCESS_CONTROL_REQUEST_METHOD", "\xff"),
]  # fmt: skip
