"""How the agent editor's tool builder edits the JSON. Runs the script's own modules in Node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "static" / "js"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

# Everything that an edit must preserve: unknown fields, their order, names like numbers, long and exact numbers, null, escapes.
ODD = (
    '[{"x-note": {"10": 1, "2": [1.0, 12345678901234567890, 1e2, {}]}, "name": "a\\u0062\\"", "description": null, "parameters": '
    '{"type": "object", "additionalProperties": false, "properties": {"2": {"format": "date", "type": "string"}, "1": {"type": '
    '["string", "null"], "enum": ["b", 2, "a"]}}, "required": ["2"], "$defs": {}}, "save_as": {"id": "data.id"}, "__proto__": []}, 5]'
)
SHORT = '[{"name": "check", "parameters": {"day": "string", "party": {"minimum": 1, "type": "integer"}}}]'

# Each edit, as a script on the first tool `t` and the module `d`, with the changes it makes to the text.
EDITS: list[tuple[str, str, list[tuple[str, str]]]] = [
    (ODD, "", []),
    (ODD, 'd.writeText(t, "description", "Say \\"hi\\"")', [('"description": null', '"description": "Say \\"hi\\""')]),
    (ODD, 'd.writeText(t, "url", ""), d.writeText(t, "method", "")', []),
    (ODD, 'd.renameParameter(t, 0, "3")', [('"2": {"format"', '"3": {"format"'), ('"required": ["2"]', '"required": ["3"]')]),
    (ODD, "d.requireParameter(t, 1, true)", [('"required": ["2"]', '"required": ["2", "1"]')]),
    (ODD, "d.requireParameter(t, 0, false)", [('"required": ["2"]', '"required": []')]),
    (ODD, 'd.changeParameter(t, 1, "choices", "c\\n2\\n\\nb")', [('["b", 2, "a"]', '["c", 2, "b"]')]),
    (ODD, 'd.changeParameter(t, 0, "description", "Day")', [('"type": "string"}, "1"', '"type": "string", "description": "Day"}, "1"')]),
    (ODD, "d.removeParameter(t, 0)", [('"2": {"format": "date", "type": "string"}, ', ""), ('"required": ["2"]', '"required": []')]),
    (ODD, 'd.addHeader(t), d.changeHeader(t, 0, "name", "X-Key"), d.changeHeader(t, 0, "value", "{{secret.K}}")',
     [('"__proto__": []', '"__proto__": [], "headers": {"X-Key": "{{secret.K}}"}')]),
    (ODD, "d.addHeader(t), d.removeHeader(t, 0)", []),
    (ODD, "d.addParameter(t), d.removeParameter(t, 2)", []),
    (SHORT, 'd.renameParameter(t, 0, "date")', [('"day"', '"date"')]),
    (SHORT, 'd.changeParameter(t, 0, "type", "number")', [('"day": "string"', '"day": "number"')]),
    (SHORT, 'd.changeParameter(t, 1, "choices", "2\\n4")', [('"type": "integer"', '"type": "integer", "enum": [2, 4]')]),
    (SHORT, "d.requireParameter(t, 0, true)", []),
    (SHORT, "d.requireParameter(t, 1, false)",
     [('{"day": "string", "party": {"minimum": 1, "type": "integer"}}',
       '{"type": "object", "properties": {"day": {"type": "string"}, "party": {"minimum": 1, "type": "integer"}}, "required": ["day"]}')]),
    (SHORT, "d.addParameter(t), d.renameParameter(t, 2, 'at')", [('"type": "integer"}}', '"type": "integer"}, "at": "string"}')]),
]  # fmt: skip
WRONG = {
    "[1,]": "Line 1, column 4: expected a value.",
    '[\n  {"a" 1}]': "Line 2, column 8: expected a colon.",
    "[01]": "Line 1, column 3: expected a comma or ].",
    "{a: 1}": "Line 1, column 2: expected a name in double quotes.",
    "[] []": "Line 1, column 4: expected the end.",
    '["\\x"]': "Line 1, column 2: expected a value.",
}


def run(code: str) -> Any:
    """The return value of a script that uses the two modules, `j` and `d`."""
    head = f"import * as j from '{SCRIPTS}/json-text.js'; import * as d from '{SCRIPTS}/tool-definitions.js';"
    done = subprocess.run(
        ["node", "--input-type=module", "-"],
        input=f"{head} console.log(JSON.stringify((() => {{ {code} }})()))",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_edit_changes_nothing_else() -> None:
    steps = [
        f"(() => {{ const root = j.parse({json.dumps(text)}), t = root.items[0]; {edit}; return j.print(root); }})()"
        for text, edit, _ in EDITS
    ]
    for (text, edit, changes), printed in zip(EDITS, run(f"return [{', '.join(steps)}]"), strict=True):
        for before, after in changes:
            assert text.count(before) == 1
            text = text.replace(before, after)
        assert one_line(printed) == text, edit


def one_line(printed: str) -> str:
    """A printed text on one line, as in the table above."""
    joined = " ".join(line.strip() for line in printed.splitlines())
    return joined.replace("[ ", "[").replace(" ]", "]").replace("{ ", "{").replace(" }", "}")


def test_the_text_is_indented_like_the_server_s() -> None:
    text = json.dumps([{"name": "é", "parameters": {}, "enum": [1, "b"]}, []], indent=2, ensure_ascii=False)
    assert run(f"return j.print(j.parse({json.dumps(text)}))") == text


def test_invalid_json_is_explained() -> None:
    found = run(
        f"return {json.dumps(list(WRONG))}.map((one) => {{ try {{ j.parse(one) }} catch (e) {{ return e.message }} }})"
    )
    assert found == list(WRONG.values())


def test_parameters_are_shown_as_the_server_interprets_them() -> None:
    texts = [ODD, SHORT, '[{"parameters": []}]']
    tools = run(f"return {json.dumps(texts)}.map((text) => d.readParameters(j.parse(text).items[0]))")
    columns = ("name", "type", "isRequired", "choices")
    assert [[tuple(parameter[column] for column in columns) for parameter in tool] for tool in tools[:2]] == [
        [("2", "string", True, ""), ("1", "", False, "b\n2\na")],
        [("day", "string", True, ""), ("party", "integer", True, "")],
    ]
    assert tools[2] is None
