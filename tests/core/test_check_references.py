"""The check that keeps citations of documents outside the repository out of it."""

import pytest

from scripts.check_references import citations


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
def test_other_uses_of_the_words_are_not(line: str) -> None:
    assert list(citations(line)) == []
