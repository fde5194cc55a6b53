"""The check that rejects words that plain US English would not use."""

import pytest

from scripts.check_text import javascript_texts, problems, prose, python_texts, template_texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Your e-mail address", "e-mail"),
        ("Look into your mail", "your mail"),
        ("Call cancelled", "cancelled"),
        ("The transcript is being analysed.", "analysed"),
        ("They enrol anew.", "anew"),
        ("A number is wanted.", "is wanted"),
        ("Submit your papers.", "papers"),
        ("Hand the caller over.", "Hand the caller over"),
        ("Every attempt stands under it.", "stands under"),
        ("Nobody waits for it any more.", "any more"),
        ("None where there is none.", "where there is none"),
        ("Each has a name of its own.", "of its own"),
        ("The old secret signs beside it.", "beside"),
        ("The release takes away a column.", "takes away"),
    ],
)
def test_a_banned_word_is_found(text: str, words: str) -> None:
    assert [found for found, _ in problems(text)] == [words]


@pytest.mark.parametrize(
    "text",
    ["Your email address", "Call canceled", "Turned off on May 3", "Analyses of calls", "The keys of its own stream"],
)
def test_plain_english_passes(text: str) -> None:
    assert list(problems(text)) == []


def test_only_texts_are_checked() -> None:
    code = '"""Said anew."""\nSTATUS = "cancelled"\ntext = f"{name} was told"  # hence\n'
    assert list(python_texts(code)) == [(1, "Said anew."), (3, " was told"), (3, "# hence")]
    assert list(prose(code)) == [(1, "Said anew."), (3, "# hence")]
    assert list(template_texts('{# anew #}\n<p class="papers">Hello</p>')) == [(1, " "), (2, "<p  >Hello</p>")]
    assert list(javascript_texts('// anew\nconst text = "Call ended";\n')) == [(2, '"Call ended"')]
