"""Tools with a URL: valid definitions, and the requests they make."""

from typing import Any

import pytest

from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig
from agents.tools.definitions import tool_problems
from agents.tools.http_tools import HttpTool, UnusableRequest, at_path, build_request, http_tools, saved_values

URL = "http://127.0.0.1:9/rooms"
VALUES = {"city": "San José", "empty": "", "evil": "a\r\nX-Evil: {{secret.KEY}}"}


def tool(**fields: Any) -> dict[str, Any]:
    return {"name": "find", "parameters": {"id": "string", "tags": {"type": "array"}}, "url": URL, **fields}


def request_of(arguments: dict[str, Any], **fields: Any) -> Any:
    definition = tool(**fields)
    assert tool_problems([definition]) == {}
    return build_request(
        http_tools([definition])["find"], arguments, VALUES, {"KEY": "s3/cret"}.__getitem__, event='{"event":1}'
    )


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"url": 5}, "0.url"),
        ({"url": "ftp://example.com/"}, "0.url"),
        ({"url": "http://{id}/x"}, "0.url"),
        ({"url": "http://{{host}}.example.com/x"}, "0.url"),
        ({"url": "http://user:{{secret.KEY}}@127.0.0.1/x"}, "0.url"),
        ({"url": f"{URL}/{{unknown}}"}, "0.url"),
        ({"url": f"{URL}/{{id"}, "0.url"),
        ({"url": f"{URL}#part"}, "0.url"),
        ({"url": f"{URL}/../x"}, "0.url"),
        ({"url": "http://127.0.0.1/a/.?b=/../"}, "0.url"),
        ({"url": "https://[::g]/"}, "0.url"),
        ({"url": "https://[1.2.3.4]/x"}, "0.url"),
        ({"url": "https://[::1/x"}, "0.url"),
        ({"url": "https://exa\u2100mple.com/"}, "0.url"),
        ({"method": "HEAD"}, "0.method"),
        ({"timeout_seconds": 0}, "0.timeout_seconds"),
        ({"timeout_seconds": 31}, "0.timeout_seconds"),
        ({"timeout_seconds": True}, "0.timeout_seconds"),
        ({"timeout_seconds": 2.5}, "0.timeout_seconds"),
        ({"body": "xml"}, "0.body"),
        ({"method": "GET", "body": "event"}, "0.body"),
        ({"headers": ["a"]}, "0.headers"),
        ({"headers": {"Host": "x"}}, "0.headers.Host"),
        ({"headers": {"Idempotency-Key": "x"}}, "0.headers.Idempotency-Key"),
        ({"headers": {"X Y": "x"}}, "0.headers.X Y"),
        ({"headers": {"X": "a\r\nb"}}, "0.headers.X"),
        ({"headers": {"X": 5}}, "0.headers.X"),
        ({"result_path": "a..b"}, "0.result_path"),
        ({"result_path": ""}, "0.result_path"),
        ({"save_as": {"1a": "x"}}, "0.save_as.1a"),
        ({"save_as": {"a": 1}}, "0.save_as.a"),
        ({"save_as": "x"}, "0.save_as"),
        ({"url": None, "method": "GET"}, "0.method"),
        ({"urls": URL}, "0.urls"),
    ],
)
def test_invalid_tools_are_refused(fields: dict[str, Any], problem: str) -> None:
    assert list(tool_problems([tool(**fields)])) == [problem]


def test_a_private_address_is_refused(settings: Any) -> None:
    settings.ALLOW_PRIVATE_WEBHOOKS = False
    assert tool_problems([tool()]) == {"0.url": ["The URL must point to a public address."]}


def test_only_tools_without_a_url_require_a_webhook_url() -> None:
    assert resolution.problems(CallConfig(tools=(tool(),)), streaming=False) == {}
    both = CallConfig(tools=(tool(), {"name": "other"}))
    assert list(resolution.problems(both, streaming=False)) == ["tool_webhook_url"]


@pytest.mark.parametrize(
    ("fields", "arguments", "method", "url", "body"),
    [
        ({}, {"id": "é", "tags": [1]}, "POST", URL, '{"id":"é","tags":[1]}'),
        ({"body": "event"}, {"id": "1"}, "POST", URL, '{"event":1}'),
        ({"method": "PUT", "url": f"{URL}/{{id}}"}, {"id": "a b/c?d"}, "PUT", f"{URL}/a%20b%2Fc%3Fd", '{"id":"a b/c?d"}'),
        ({"method": "GET"}, {"id": "1", "tags": ["a", "b&c"]}, "GET", f"{URL}?id=1&tags=a&tags=b%26c", ""),
        ({"method": "GET"}, {"id": None}, "GET", URL, ""),
        ({"method": "DELETE", "url": f"{URL}/{{id}}?x=1"}, {"id": 12, "tags": [True]}, "DELETE", f"{URL}/12?x=1&tags=true", ""),
        ({"method": "GET", "url": f"{URL}/{{{{city}}}}?i={{id}}&e={{{{empty|no}}}}"}, {}, "GET", f"{URL}/San%20Jos%C3%A9?i=&e=no", ""),
        ({"method": "GET", "url": f"{URL}?key={{{{secret.KEY}}}}"}, {}, "GET", f"{URL}?key=s3%2Fcret", ""),
        ({"method": "GET", "url": f"{URL}/{{id}}"}, {"id": "{{secret.KEY}}"}, "GET", f"{URL}/%7B%7Bsecret.KEY%7D%7D", ""),
    ],
)  # fmt: skip
def test_the_request(fields: dict[str, Any], arguments: dict[str, Any], method: str, url: str, body: str) -> None:
    request = request_of(arguments, **fields)
    assert (request.method, request.url, request.body) == (method, url, body)


def test_headers_support_variables_and_secrets_but_no_line_breaks() -> None:
    headers = {"Authorization": "Bearer {{secret.KEY}}", "X-City": "{{city}}", "X-Evil": "{{evil}}", "X-Id": "{id}"}
    assert request_of({"id": "1"}, headers=headers).headers == {
        "Authorization": "Bearer s3/cret",
        "X-City": "San José",
        "X-Evil": "a X-Evil: {{secret.KEY}}",
        "X-Id": "{id}",
    }


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (f"{URL}/{{id}}", {}),
        (f"{URL}/{{id}}", {"id": ""}),
        (f"{URL}/{{id}}", {"id": None}),
        (f"{URL}/{{id}}/x", {"id": ".."}),
        (f"{URL}/{{id}}/x", {"id": "."}),
        (f"{URL}/{{id}}/x", {"id": "a/../../b"}),
        (f"{URL}/{{id}}/x", {"id": "../b"}),
        (f"{URL}/{{{{empty}}}}", {}),
        (f"{URL}/{{id}}", {"id": "x" * 2001}),
    ],
)
def test_a_request_that_would_go_to_another_host_is_not_sent(url: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(UnusableRequest):
        request_of(arguments, url=url)


def test_a_missing_secret() -> None:
    with pytest.raises(KeyError, match="GONE"):
        request_of({}, headers={"X": "{{secret.GONE}}"})


def test_paths_and_saved_values() -> None:
    document = {"data": {"items": [{"id": 5, "name": "Ada", "more": {"a": None}}], "empty": None}}
    assert at_path(document, "data.items.0.name") == at_path(document, "data.items[0].name") == "Ada"
    for path in ("data.items.1", "data.items.x", "data.name", "data.items.0.id.x"):
        with pytest.raises(LookupError):
            at_path(document, path)
    saved = {
        "a": "data.items.0.id",
        "b": "data.items[0].name",
        "c": "data.empty",
        "d": "nowhere",
        "e": "data.items.0.more",
    }
    tool = HttpTool(name="x", url=URL, save_as=saved)
    assert saved_values(tool, document) == {"a": "5", "b": "Ada", "e": '{"a":null}'}
    assert saved_values(tool, "text") == {}
