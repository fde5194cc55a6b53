"""The check of references: no documents outside the repository, and no modules that do not exist."""

import pytest

from scripts.check_references import citations, missing


@pytest.mark.parametrize(
    "line",
    [
        "# Seconds after the failure before (contract §5).",
        '"""Without the envelope, as the reference shows it."""',
        "def test_the_reference_s_agent(api):",
        "(media-path, advice 1)",
        "see issue 4, part 9",
        "row c11",
    ],
)
def test_a_citation_is_found(line: str) -> None:
    assert list(citations(f"first\n{line}\n")) == [(2, line)]


@pytest.mark.parametrize(
    "line",
    ["The references make it too large.", "payment.reference", "RFC 5646 §4.4.1", "https://github.com/a/b/issues/4"],
)
def test_other_uses_of_the_words_are_allowed(line: str) -> None:
    assert list(citations(line)) == []


def test_named_modules_and_files_must_exist() -> None:
    named = "`calls.control.lifecycle.finish`, calls.models.Call, calls/session, `control/lifecycle.py` and billing.cap.reached"
    assert list(missing(named)) == []
    references = "`calls.control.me_first`, (calls.control.lifecycle.no_such_thing) and `session/short_way.py`"
    assert list(missing(references)) == [
        "calls.control.me_first",
        "calls.control.lifecycle.no_such_thing",
        "session/short_way.py",
    ]
