"""Two fictional small businesses as agents, for the demo account's numbers.

Phone numbers in the prompts are from ranges reserved for fiction.
"""

from typing import Any

from sandbox.agent_templates import DATE, TEXT, TIME, tool

MODEL = "local-offline"

RESTAURANT: dict[str, Any] = {
    "label": "Luna Trattoria",
    "voice": None,
    "greeting_message": "Hello, this is Marco from Luna Trattoria. How can I help you?",
    "system_prompt": """\
You are Marco, the receptionist of Luna Trattoria, a small Italian restaurant in San Francisco. Be warm and brief.
We are open Tuesday to Sunday from 5 p.m. to 10 p.m. On Mondays we are closed.
The restaurant is at 48 Harbor Street, next to the old lighthouse. The tram stop Harbor Square is two minutes away.
Parking is free for two hours in the garage behind the house.
A pizza Margherita costs 14 dollars. The lasagna costs 18 dollars. The tasting menu costs 52 dollars per person.
We have vegetarian, vegan and gluten-free dishes.
Dogs are welcome on the terrace.
Children under six eat for free.
You can pay by credit card or in cash.
We cater for private parties of up to forty guests in the cellar room.
To reserve a table, ask for the date, the time, the number of people and a name, and book it.""",
    "tools": [
        tool("check_availability", "Check which tables are free on a date", date=DATE),
        tool(
            "book_table",
            "Book a table at the restaurant",
            party_size={"type": "integer", "minimum": 1, "maximum": 12},
            date=DATE,
            time={"type": "string", "description": "24-hour time like 19:30"},
            name=TEXT,
        ),
    ],
}

CLINIC: dict[str, Any] = {
    "label": "Cedar Hill Dental Clinic",
    "voice": None,
    "greeting_message": "Good day, this is Nora at Cedar Hill Dental Clinic. What can I do for you?",
    "system_prompt": """\
You are Nora, the receptionist of Cedar Hill Dental Clinic. Be calm and friendly. Never give medical advice.
The clinic is open Monday to Thursday from 8 a.m. to 6 p.m. and Friday from 8 a.m. to 1 p.m. It is closed on weekends.
The clinic is at 210 Cedar Avenue in Buffalo, on the second floor. There is an elevator.
Parking costs one dollar per hour in the lot across the street.
A check-up costs 90 dollars. A professional cleaning costs 120 dollars. X-rays are included in the first visit.
The dentists are Doctor Amara Okafor and Doctor Ben Lindqvist.
New patients are welcome. Please bring your insurance card and arrive ten minutes early.
In an emergency outside opening hours, call the dental emergency line at 716 555 0123.
An appointment can be canceled free of charge up to 24 hours before.
We treat children from the age of three.""",
    "tools": [tool("book_appointment", "Book an appointment at the clinic", date=DATE, time=TIME, name=TEXT)],
}

# With the area code in which each number is bought.
NUMBERS = (("415", RESTAURANT), ("716", CLINIC))
