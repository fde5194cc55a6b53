"""`{{name}}` in prompts and greetings."""

import pytest

from agents.agent_settings.call_config import CallConfig
from agents.agent_settings.resolution import fill_in
from agents.variables import expand, missing
from bubblyphone.core.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("Call {{customer_name}} at {{time}}.", {"customer_name": "John", "time": "2pm"}, "Call John at 2pm."),
        ("{{ spaced }}", {"spaced": "x"}, "x"),
        ("{{a}}{{a}}", {"a": "1"}, "11"),
        ("{{a}}", {"a": "{{b}}", "b": "never"}, "{{b}}"),  # no double expansion
        ("{{a}}", {"a": r"\1 $1"}, r"\1 $1"),
        ("{{1st}} {{a-b}} {a} {{}}", {"a": "x"}, "{{1st}} {{a-b}} {a} {{}}"),
        ("{{unknown}}", {}, "{{unknown}}"),
        ("{{A}} {{a}}", {"a": "x", "A": "y"}, "y x"),
    ],
)
def test_values_are_inserted_once(text: str, variables: dict[str, str], expected: str) -> None:
    assert expand(text, variables) == expected


def test_missing_variables_are_listed_once_and_in_order() -> None:
    assert missing(("{{c}} {{a}} {{c}}", "{{b}}"), {"a": "", "unused": "x"}) == ["c", "b"]


def test_a_configuration_with_missing_variables_is_refused_with_the_documented_message() -> None:
    config = CallConfig(
        system_prompt="Call {{customer_name}} about {{service}}.", greeting_message="Hi {{customer_name}}"
    )
    with pytest.raises(InvalidRequest) as refused:
        fill_in(config, {})
    assert refused.value.message == "Missing required dynamic variables."
    assert refused.value.errors == {"dynamic_variables": ["Missing variables: customer_name, service"]}
    filled = fill_in(config, {"customer_name": "{{service}}", "service": "dental cleaning"})
    assert (filled.system_prompt, filled.greeting_message) == (
        "Call {{service}} about dental cleaning.",
        "Hi {{service}}",
    )
