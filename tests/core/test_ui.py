"""How pages show money and phone numbers."""

from decimal import Decimal

import pytest

from bubblyphone.core.templatetags.ui import exact_money, money, national, phone


@pytest.mark.parametrize(
    ("amount", "shown"),
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
def test_pages_show_cents(amount: str, shown: str) -> None:
    assert money(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("0.063", "$0.063"),
        ("-0.0005", "\N{MINUS SIGN}$0.0005"),
        ("0.1", "$0.10"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_details_show_exact_sums(amount: str, shown: str) -> None:
    assert exact_money(Decimal(amount)) == shown


def test_an_absent_amount_is_a_dash() -> None:
    assert (money(None), exact_money(None)) == ("–", "–")


@pytest.mark.parametrize(
    ("number", "shown", "at_home"),
    [
        ("+14155550100", "+1 415-555-0100", "(415) 555-0100"),
        ("+442079460000", "+44 20 7946 0000", "020 7946 0000"),
        ("sandbox", "sandbox", "sandbox"),
    ],
)
def test_numbers(number: str, shown: str, at_home: str) -> None:
    assert (phone(number), national(number)) == (shown, at_home)
