"""Numbers, dates, times and values in recognized speech."""

from datetime import date, time
from typing import Any

import pytest

from agents.brain.identity import Identity, identity_of
from agents.brain.moments import find_date, find_time
from agents.brain.results import failure_of, summarise
from agents.brain.slots import Reader, slots_of
from agents.brain.spoken_numbers import digits_for_words
from agents.brain.text import plain
from tests.agents.brain.restaurant import TODAY


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("a table for four at seven thirty", "a table for 4 at 7 30"),
        ("one hundred and five", "105"),
        ("a hundred and twenty", "120"),
        ("two thousand five hundred", "2500"),
        ("three million two hundred thousand and one", "3200001"),
        ("nineteen eighty four", "19 84"),
        ("five five five oh one double two", "5 5 5 0 1 2 2"),
        ("on the twenty first of june", "on the 21st of june"),
        ("two and three", "2 and 3"),
    ],
)
def test_writes_numbers_in_digits(spoken: str, written: str) -> None:
    assert digits_for_words(spoken) == written


@pytest.mark.parametrize(
    ("spoken", "day"),
    [
        ("to-morrow evening", date(2026, 11, 23)),
        ("Tonight, please.", date(2026, 11, 22)),
        ("the day after tomorrow", date(2026, 11, 24)),
        ("next Monday", date(2026, 11, 23)),
        ("on Sunday", date(2026, 11, 29)),
        ("Friday the twenty seventh", date(2026, 11, 27)),
        ("the third of December", date(2026, 12, 3)),
        ("December twenty-first", date(2026, 12, 21)),
        ("January fifth", date(2027, 1, 5)),
        ("November 30th, 2027", date(2027, 11, 30)),
        ("12/24", date(2026, 12, 24)),
        ("on the fifth", date(2026, 12, 5)),
        ("in two weeks", date(2026, 12, 6)),
        ("2026-12-31", date(2026, 12, 31)),
        ("February thirtieth", None),
        ("sometime", None),
    ],
)
def test_finds_a_date(spoken: str, day: date | None) -> None:
    found = find_date(digits_for_words(plain(spoken)), TODAY)
    assert (found[0] if found else None) == day


@pytest.mark.parametrize(
    ("spoken", "moment"),
    [
        ("at seven thirty", time(19, 30)),
        ("half past seven", time(19, 30)),
        ("quarter to nine", time(8, 45)),
        ("ten past eight in the evening", time(20, 10)),
        ("at 8 p.m.", time(20, 0)),
        ("nine in the morning", time(9, 0)),
        ("7 a.m.", time(7, 0)),
        ("at noon", time(12, 0)),
        ("midnight", time(0, 0)),
        ("seven oh five", time(19, 5)),
        ("eight", time(8, 0)),
        ("18:45", time(18, 45)),
        ("for five people", None),
    ],
)
def test_finds_a_time(spoken: str, moment: time | None) -> None:
    found = find_time(digits_for_words(plain(spoken)), is_awaited=True, is_evening_likely=False)
    assert (found[0] if found else None) == moment


@pytest.mark.parametrize(
    ("name", "schema", "spoken", "value"),
    [
        ("name", {"type": "string"}, "It's Sarah Johnson.", "Sarah Johnson"),
        ("name", {"type": "string"}, "S A R A H", "Sarah"),
        ("name", {"type": "string"}, "What do you need that for?", None),
        ("email", {"type": "string"}, "sarah dot j at example dot com", "sarah.j@example.com"),
        ("phone", {"type": "string"}, "plus one, 415-555-0199", "14155550199"),
        ("order_id", {"type": "string"}, "It's A B one two seven", "AB127"),
        ("guests", {"type": "integer"}, "Just me.", 1),
        ("guests", {"type": "integer"}, "There will be a couple of us", 2),
        ("price", {"type": "number"}, "12.5 dollars", 12.5),
        ("starts_at", {"type": "string", "format": "date-time"}, "Tomorrow at half past two", "2026-11-23T14:30:00"),
        ("smoking", {"type": "boolean"}, "No.", False),
        ("day", {"type": "string", "enum": ["weekday", "weekend"]}, "On the weekend", "weekend"),
        ("city", {"type": "string"}, "in New York", "New York"),
        ("note", {"type": "string"}, "Well, I am allergic to nuts.", "I am allergic to nuts"),
    ],
)
def test_reads_the_requested_value(name: str, schema: dict[str, Any], spoken: str, value: object) -> None:
    (slot,) = slots_of({"type": "object", "properties": {name: schema}})
    assert Reader(spoken, TODAY).read(slot, is_awaited=True) == value


@pytest.mark.parametrize(
    ("result", "spoken"),
    [
        ({"message": "Your table is booked."}, "Your table is booked."),
        ({"result": {"available": False}}, "It is not available."),
        ({"result": "Sunny, 20 degrees"}, "Sunny, 20 degrees."),
        ({"status": "ok", "total": 56.5, "currency": "USD"}, "The total is 56.5 and the currency is USD."),
        (
            {"status": "shipped", "arrives": "2026-11-27"},
            "The status is shipped and the arrives is Friday, November 27th.",
        ),
        ({"slots": []}, "There are no slots."),
        (
            {"items": [{"name": "Soup", "price": 4}, {"name": "Bread"}]},
            "The items are name Soup, price 4 and name Bread.",
        ),
        ({}, "That is done."),
        ({"success": True}, "That is done."),
        ([], "I found nothing."),
    ],
)
def test_speaks_a_result(result: Any, spoken: str) -> None:
    assert summarise(result) == spoken


def test_distinguishes_a_failure_from_an_answer() -> None:
    assert failure_of({"error": "closed"}) == "closed"
    assert failure_of({"error": {"message": "no such order", "code": 4}}) == "no such order"
    assert failure_of({"success": False}) == ""
    assert failure_of({"status": "failed", "message": "It is full."}) == "It is full."
    assert failure_of({"status": "open"}) is None


@pytest.mark.parametrize(
    ("prompt", "person", "organisation", "purpose"),
    [
        ("You are the demo agent of BubblyPhone. BubblyPhone sells numbers.", "", "BubblyPhone", ""),
        ("You are Marco, the receptionist of Luna Trattoria, a small restaurant.", "Marco", "Luna Trattoria", ""),
        ("You are a helpful receptionist for Acme Corp...", "", "Acme Corp", ""),
        ("You are the receptionist of St. Mary's Hospital. We are open.", "", "St. Mary's Hospital", ""),
        ("You are a support agent for Booking.com. Be nice.", "", "Booking.com", ""),
        ("Be brief.", "", "", ""),
        (
            "You are Eve, calling from Dr. Miller. You are calling Jo Doe to confirm their check-up at 2 p.m. Be brief.",
            "Eve",
            "Dr. Miller",
            "to confirm your check-up at 2 p.m",
        ),
    ],
)
def test_reads_its_identity_from_the_prompt(prompt: str, person: str, organisation: str, purpose: str) -> None:
    assert identity_of(prompt) == Identity(person, organisation, purpose)
