"""How pages show money, phone numbers and dialogs."""

from decimal import Decimal

import pytest
from django.template import Context, Template

from bubblyphone.core.templatetags.ui import exact_money, money, national, phone


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.063", "$0.06"),
        ("0.065", "$0.07"),
        ("0.005", "$0.01"),
        ("0.004999", "<$0.01"),
        ("-0.001", "\N{MINUS SIGN}<$0.01"),
        ("13.756", "$13.76"),
        ("-3", "\N{MINUS SIGN}$3.00"),
        ("1234567.8", "$1,234,567.80"),
    ],
)
def test_pages_show_cents(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.063", "$0.063"),
        ("-0.0005", "\N{MINUS SIGN}$0.0005"),
        ("0.1", "$0.10"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_details_show_exact_sums(amount: str, text: str) -> None:
    assert exact_money(Decimal(amount)) == text


def test_an_absent_amount_is_a_dash() -> None:
    assert (money(None), exact_money(None)) == ("–", "–")


@pytest.mark.parametrize(
    ("number", "text", "at_home"),
    [
        ("+14155550100", "+1 415-555-0100", "(415) 555-0100"),
        ("+442079460000", "+44 20 7946 0000", "020 7946 0000"),
        ("sandbox", "sandbox", "sandbox"),
    ],
)
def test_numbers(number: str, text: str, at_home: str) -> None:
    assert (phone(number), national(number)) == (text, at_home)


@pytest.mark.parametrize(("label", "escaped"), [("<b>{0}", "&lt;b&gt;{0}"), ("", "")])
def test_a_dialog_escapes_what_it_asks_about(label: str, escaped: str) -> None:
    tag = 'dialog "revoke" "revoke-api-key" 7 title="Revoke “{}”?" of=label button="Revoke key" in_list=True'
    template = Template("{% load ui %}{% " + tag + " %}<p>{{ label }}</p>{% enddialog %}")
    html = template.render(Context({"label": label, "csrf_token": "TOKEN"}))
    assert html.startswith(
        '<dialog id="revoke-7" popover aria-labelledby="revoke-7-question"><form class="body" method="post"'
    )
    assert f'value="TOKEN"><h2 id="revoke-7-question">Revoke “{escaped}”?</h2><p>{escaped}</p>' in html
    assert '<button class="button danger">Revoke key</button>' in html
