"""An agent as a developer would write it: its prompt and tools."""

from datetime import date

from agents.providers.base import ToolSpec

TODAY = date(2026, 11, 22)  # a Sunday

PROMPT = """You are Ada, the friendly receptionist of Luigi's Pizzeria in San Francisco. Be brief. Never discuss politics.
We are open Tuesday to Sunday from 5 p.m. to 11 p.m. On Mondays we are closed.
The restaurant is at 12 Market Street, next to the library. Parking is free behind the house.
A Margherita costs 14 dollars, and a Diavola 17 dollars. We have vegetarian and gluten-free dishes.
Dogs are welcome on the terrace. We deliver within three miles for a fee of 5 dollars.
If the caller asks about birthdays, say that we bake a free cake for birthday guests.
You can pay by credit card or cash."""

BOOK_TABLE = ToolSpec(
    "book_table",
    "Book a table at the restaurant",
    {
        "type": "object",
        "properties": {
            "party_size": {"type": "integer", "minimum": 1, "maximum": 12},
            "date": {"type": "string", "format": "date"},
            "time": {"type": "string"},
            "name": {"type": "string"},
        },
        "required": ["party_size", "date", "time", "name"],
    },
)
ORDER_STATUS = ToolSpec(
    "check_order_status",
    "Look up the status of a delivery order",
    {"type": "object", "properties": {"order_number": {"type": "string"}}, "required": ["order_number"]},
)
AVAILABILITY = ToolSpec(
    "check_availability",
    "Check calendar availability",
    {"type": "object", "properties": {"date": {"type": "string"}}, "required": ["date"]},
)
TAKE_MESSAGE = ToolSpec(
    "take_message",
    "Take a message for the owner",
    {
        "type": "object",
        "properties": {"message": {"type": "string"}, "phone": {"type": "string"}},
        "required": ["message", "phone"],
    },
)
REASON = {"type": "object", "properties": {"reason": {"type": "string"}}}
END_CALL = ToolSpec("end_call", "Hang up the phone.", REASON)
TRANSFER_CALL = ToolSpec("transfer_call", "Hand the caller over to a person.", REASON)

TOOLS = (BOOK_TABLE, ORDER_STATUS, AVAILABILITY, TAKE_MESSAGE, END_CALL, TRANSFER_CALL)
