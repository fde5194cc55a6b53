"""Objects in responses, generated from a row by their schema."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

from bubblyphone.core.api.json_schema import Read, listing, moment, money, nullable, record, text, whole

LINE = record({"kind": text("telephony"), "amount": money("1.00")})
BILL = record(
    {
        "id": whole(1),
        "first": Read(lambda row: row.lines[0].kind, text("telephony")),
        "owner": Read("account.name", text("Jane")),
        "total": nullable(money("1.00")),
        "paid_at": nullable(moment()),
        "note": nullable(text("Thank you")),
        "label": text("March"),
        "lines": listing(LINE),
        "problem": text("The card was declined."),
    },
    optional=["problem"],
)


def bill(**changes: object) -> SimpleNamespace:
    line = SimpleNamespace(kind="telephony", amount=Decimal("0.063"))
    row = {"id": 7, "account": SimpleNamespace(name="Jane"), "total": None, "paid_at": None, "note": "", "label": ""}
    return SimpleNamespace(**{**row, "lines": [line], "problem": None, **changes})


def test_empty_values() -> None:
    assert list(BILL.of(bill()).items()) == [
        ("id", 7),
        ("first", "telephony"),
        ("owner", "Jane"),
        ("total", None),
        ("paid_at", None),
        ("note", None),
        ("label", ""),
        ("lines", [{"kind": "telephony", "amount": "0.063"}]),
    ]


def test_given_values() -> None:
    paid_at = datetime(2026, 3, 27, 12, 0, 5, 999_999, tzinfo=UTC)
    found = BILL.of(bill(total=Decimal("1.5"), paid_at=paid_at, note="Thanks", label="March", problem="Declined."))
    assert found == {
        "id": 7,
        "first": "telephony",
        "owner": "Jane",
        "total": "1.50",
        "paid_at": "2026-03-27T12:00:05Z",
        "note": "Thanks",
        "label": "March",
        "lines": [{"kind": "telephony", "amount": "0.063"}],
        "problem": "Declined.",
    }


def test_the_schema_is_independent_of_the_rows() -> None:
    assert BILL["properties"]["owner"] == {"type": "string", "examples": ["Jane"]}
    assert BILL["required"] == ["id", "first", "owner", "total", "paid_at", "note", "label", "lines"]


def test_an_object_with_one_property() -> None:
    assert record({"kind": text("telephony")}).of(SimpleNamespace(kind="model")) == {"kind": "model"}


def test_values_that_the_row_lacks_can_be_passed() -> None:
    secret = record({**BILL.properties, "first": text("telephony"), "secret": nullable(text("whsec_…"))})
    row = bill()
    given = secret.of(row, first="model", secret="", lines=[*row.lines, *row.lines])
    assert (given["first"], given["secret"], len(given["lines"])) == ("model", None, 2)
    assert given["lines"][0] == {"kind": "telephony", "amount": "0.063"}
