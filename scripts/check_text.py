"""Rejects words that plain US English would not use.

Checks templates, JavaScript, the strings, docstrings and comments of Python code, and the docstrings and comments of tests and scripts.
Prints the file and line of each and exits 1 if there are any.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("accounts", "agents", "billing", "bubblyphone", "calls", "phone_numbers", "sandbox", "staff", "webhooks")
# Only docstrings and comments: their strings include what callers say.
PROSE_ONLY = ("scripts", "tests")
# Word lists and patterns that recognize what callers say, and passwords.
SKIPPED = ("agents/brain/", "agents/analysis/rules.py", "accounts/common_passwords.py", "/migrations/")
# Pattern → what to write instead.
BANNED = {
    r"e-mails?": "email",
    r"(a|an|by|the|your|this|our) mails?(?! server)": "email",
    r"(cancel|dial|label|travel)l(ed|ing)": "one l: canceled, dialed",
    r"analys(e|ed|ing)|(itemi|recogni|customi|organi|authori|summari)s(e|ed|es|ing|er|ers)": "z: analyze, itemized",
    r"colou?red word|behaviours?|licences?": "US spelling",
    r"anew|afresh": "again, new",
    r"who(so)?ever|withal|heed(s|ed)?|befalls?|hitherto|thereupon": "a present-day word",
    r"(is|are) wanted|wants to know": "say who needs what: requires",
    r"papers?": "documents",
    r"but for": "except",
    r"(is|are|be|was) told( of)?": "we notify you, receives",
    r"hand(s|ed)? (it |them |the caller |the call )?(over|in)": "transfer, submit",
    r"(give|gives|gave|given) (it |them |the number )?back": "release, return",
    r"works? no more|not any ?more|no more tries": "no longer, expired",
    r"suffices?": "is too low",
    r"put (this|it|that) right|mend(s|ed)?": "correct, fix",
    r"stands? (in(?! for)|on|under|there|beside)": "is",
    r"be had": "available",
    r"(goes|went) on": "continues",
    r"p50": "median",
    r"presently|present (password|secret|one)": "current",
    r"forgotten the": "forgot your",
    r"switched (on|off)": "turned on, turned off",
    r"at the moment": "right now",
    r"nothing fits|no such thing": "no results",
    r"where there (is|are) none": "if there is none",
    r"any more(?=[.,;:)]|$)": "anymore, no longer",
    r"of (its|our|their|one's) own(?=[.,;:)]|$| (by|for|on) )": "its own, their own, before the noun",
    r"beside": "next to, with, in addition to",
    r"lies (above|below|behind|in|on|under|between)": "is",
    r"in vain|for ever|in mid-\w+": "without success, forever, mid-sentence",
    r"dearer|what is (yet )?to be|in good order": "costs more, pending, cleanly",
    r"likewise|brought forward|takes? away|goes? away|(is|are) at work": "also, advanced, removes, disappears, is running",
}
PATTERN = re.compile("|".join(rf"(?P<g{index}>\b(?:{banned})\b)" for index, banned in enumerate(BANNED)), re.IGNORECASE)
_ADVICE = list(BANNED.values())
_TEMPLATE_CODE = re.compile(
    r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<script.*?</script>|\b(?:class|id|name|hx-\w+|data-\w+)=\"[^\"]*\"", re.DOTALL
)
_JS_TEXT = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|`(?:[^`\\]|\\.)*`")


def problems(text: str) -> Iterator[tuple[str, str]]:
    """(words, what to write instead) of each that is banned."""
    for match in PATTERN.finditer(text):
        yield match.group(), _ADVICE[int(str(match.lastgroup)[1:])]


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each string, docstring and comment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = _TEMPLATE_CODE.sub("", node.value)
            if " " in text.strip():  # anything else is a name or a code
                yield node.lineno, text
    yield from _comments(source)


def prose(source: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each docstring and comment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    yield from _comments(source)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def template_texts(source: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each line, without template code and comments."""
    blanked = _TEMPLATE_CODE.sub(lambda match: " " + "\n" * match.group().count("\n"), source)
    yield from enumerate(blanked.splitlines(), 1)


def javascript_texts(source: str) -> Iterator[tuple[int, str]]:
    """(line number, text) of each string in double quotes or backticks."""
    for match in _JS_TEXT.finditer(source):
        yield source.count("\n", 0, match.start()) + 1, match.group()


def texts() -> Iterator[tuple[Path, int, str]]:
    for folder in CODE:
        for path in sorted(ROOT.joinpath(folder).rglob("*.py")):
            if not any(skipped in path.relative_to(ROOT).as_posix() for skipped in SKIPPED):
                yield from ((path, *found) for found in python_texts(path.read_text()))
    for folder in PROSE_ONLY:
        for path in sorted(ROOT.joinpath(folder).rglob("*.py")):
            yield from ((path, *found) for found in prose(path.read_text()))
    for path in sorted(ROOT.joinpath("templates").rglob("*")):
        if path.is_file():
            yield from ((path, *found) for found in template_texts(path.read_text()))
    for path in sorted(ROOT.joinpath("static/js").glob("*.js")):
        yield from ((path, *found) for found in javascript_texts(path.read_text()))


def main() -> int:
    count = 0
    for path, line, text in texts():
        for words, advice in problems(text):
            print(f"{path.relative_to(ROOT)}:{line}: “{words}” (instead: {advice}) in: {text.strip()[:100]}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
