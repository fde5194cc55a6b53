"""How pages show money and telephone numbers."""

from decimal import Decimal

import pytest

from bubblyphone.core.templatetags.ui import money, national, phone


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("0.063", "$0.063"), ("-3", "\N{MINUS SIGN}$3.00"), ("1234567.8", "$1,234,567.80")],
)
def test_money(amount: str, shown: str) -> None:
    assert money(Decimal(amount)) == shown


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
