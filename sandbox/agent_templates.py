"""Templates for new agents: prompt, greeting, variables, tools and analysis fields.

The businesses do not exist; their tool is the demo tool webhook (`sandbox.demo_tool`). Prompts are short plain statements, which the
offline model can answer from as well.
"""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

DATE: dict[str, Any] = {"type": "string", "format": "date"}
TIME: dict[str, Any] = {"type": "string", "description": "24-hour time like 14:00"}


@dataclass(frozen=True, slots=True)
class Template:
    """`settings` is what `agents.services.create_agent` takes, without the URL of the tools."""

    key: str
    title: str
    text: str
    icon: str
    settings: dict[str, Any]


def _field(kind: str, description: str, *options: str) -> dict[str, Any]:
    return {"type": kind, "description": description, **({"options": list(options)} if options else {})}


def tool(name: str, description: str, /, **properties: dict[str, Any]) -> dict[str, Any]:
    """A tool with required parameters only. `properties` are their JSON schemas."""
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": description, "parameters": schema}


TEXT: dict[str, Any] = {"type": "string"}
TAKE_MESSAGE = tool("take_message", "Take a message for the team", name=TEXT, phone=TEXT, message=TEXT)
SUMMARY = _field("text", "The call in one or two sentences")
TEMPLATES = (
    Template(
        "receptionist", "Receptionist", "Answers questions about your business and takes messages.", "chat",
        {
            "name": "Receptionist",
            "greeting_message": "Hello, this is {{agent_name}} at {{company}}. How can I help you?",
            "default_variables": {"agent_name": "Mia", "company": "Harbor Bikes"},
            "system_prompt": """\
You are {{agent_name}}, the receptionist of {{company}}. Be warm and brief.
We are open Monday to Friday from 9 a.m. to 6 p.m. and Saturday from 10 a.m. to 2 p.m. On Sundays we are closed.
The shop is at 12 Pier Road, next to the ferry terminal. Parking is free behind the building.
A bike rental costs 30 dollars per day. A repair starts at 25 dollars.
You can pay by card or in cash.
If you do not know something, offer to take a message with a name and a phone number.""",
            "tools": [TAKE_MESSAGE],
            "analysis_schema": {"summary": SUMMARY, "wants_callback": _field("boolean", "Does the caller want to be called back?")},
        },
    ),
    Template(
        "booking", "Appointment booking", "Finds a free time and books it with the demo booking system.", "hash",
        {
            "name": "Appointment booking",
            "greeting_message": "Good day, this is {{agent_name}} at {{company}}. Would you like to make an appointment?",
            "default_variables": {"agent_name": "Nora", "company": "Cedar Hill Dental Clinic"},
            "system_prompt": """\
You are {{agent_name}}, the receptionist of {{company}}. Be calm and friendly. Never give medical advice.
The clinic is open Monday to Thursday from 8 a.m. to 6 p.m. and Friday from 8 a.m. to 1 p.m.
The clinic is at 210 Cedar Avenue, on the second floor. There is an elevator.
A check-up costs 90 dollars. A cleaning costs 120 dollars.
To book an appointment, ask for the date, the time and a name, and book it. Tell the caller the confirmation code.""",
            "tools": [
                tool("check_availability", "Check which times are free on a date", date=DATE),
                tool("book_appointment", "Book an appointment", date=DATE, time=TIME, name=TEXT),
            ],
            "analysis_schema": {"summary": SUMMARY, "booked": _field("boolean", "Was an appointment booked?")},
        },
    ),
    Template(
        "order-status", "Order status", "Looks up an order by its number and says where it is.", "search",
        {
            "name": "Order status",
            "greeting_message": "Hello, this is {{company}}. Do you have an order number for me?",
            "default_variables": {"company": "Pine & Ink"},
            "system_prompt": """\
You are the order desk of {{company}}, an online stationery shop. Be brief and exact.
To look up an order, ask for the order number and check its status.
Orders are shipped within two working days. Delivery takes three to five days.
Returns are free within 30 days. A refund arrives within five working days.
If an order is late, apologize and offer to have a person call back.""",
            "tools": [tool("check_order_status", "Look up the status of an order", order_number=TEXT)],
            "analysis_schema": {
                "order_number": _field("text", "The order number"),
                "resolved": _field("boolean", "Was the question answered?"),
            },
        },
    ),
    Template(
        "lead", "Lead qualification", "Finds out what a prospect needs, and how soon.", "spark",
        {
            "name": "Lead qualification",
            "greeting_message": "Hello, this is {{agent_name}} from {{company}}. Thank you for your interest. What are you looking for?",
            "default_variables": {"agent_name": "Alex", "company": "Brightroof Solar"},
            "system_prompt": """\
You are {{agent_name}} from {{company}}. You talk to people who asked about solar panels. Be curious and never pushy.
Find out the following, one question at a time: do they own the house, how large is the roof, and when do they want to start.
A system for a family home costs between 12000 and 18000 dollars. Installation takes two days.
We give a warranty of 20 years.
At the end, say that a specialist calls within one working day.""",
            "tools": [],
            "analysis_schema": {
                "qualified": _field("boolean", "Does the caller own the house and want to start within a year?"),
                "timeline": _field("selector", "When the caller wants to start", "now", "this year", "later", "unknown"),
                "summary": SUMMARY,
            },
        },
    ),
    Template(
        "survey", "Survey", "Asks a few questions and records the answers.", "check",
        {
            "name": "Survey",
            "greeting_message": "Hello {{customer_name|there}}, this is {{company}}. Do you have two minutes for three questions?",
            "default_variables": {"company": "Luna Trattoria"},
            "system_prompt": """\
You do a short survey for {{company}}. Be friendly and neutral. Ask one question at a time and do not comment on answers.
First question: from 1 to 5, how was the food?
Second question: from 1 to 5, how was the service?
Third question: what should we do better?
After the third answer, thank the caller and say goodbye.""",
            "tools": [],
            "analysis_schema": {
                "food": _field("number", "Rating of the food, 1 to 5"),
                "service": _field("number", "Rating of the service, 1 to 5"),
                "suggestion": _field("text", "What should be better"),
            },
        },
    ),
    Template(
        "reminder", "Reminder call", "Calls to remind people of an appointment and confirms it.", "out",
        {
            "name": "Reminder call",
            "greeting_message": "Hello {{customer_name|there}}, this is {{company}}. I am calling about your appointment {{appointment}}.",
            "default_variables": {"company": "Cedar Hill Dental Clinic", "appointment": "tomorrow at 10 a.m."},
            "system_prompt": """\
You call for {{company}} to remind people of their appointment {{appointment}}. Be short and kind.
Ask whether the time still suits them. If it does, thank them and say goodbye.
If it does not, ask for another day and time and say that the clinic will confirm it.
Please arrive ten minutes early and bring your insurance card.
An appointment can be canceled free of charge up to 24 hours before.""",
            "tools": [],
            "voicemail_action": "ai_message",
            "analysis_schema": {
                "outcome": _field("selector", "What happened to the appointment", "confirmed", "moved", "canceled", "not reached")
            },
        },
    ),
    Template(
        "after-hours", "After hours", "Says when you are open and takes a message for the morning.", "vault",
        {
            "name": "After hours",
            "greeting_message": "Hello, you have reached {{company}}. We are closed right now. May I take a message?",
            "default_variables": {"company": "Harbor Bikes"},
            "system_prompt": """\
You answer the phone of {{company}} outside opening hours. Be brief and reassuring.
We are open Monday to Friday from 9 a.m. to 6 p.m.
To take a message, ask for the name, the phone number and the reason for the call.
The team calls back the next working day before noon.
In an emergency with a rental bike, call 555 0100.""",
            "tools": [TAKE_MESSAGE],
            "analysis_schema": {"summary": SUMMARY, "is_urgent": _field("boolean", "Is it urgent?")},
        },
    ),
    Template(
        "blank", "Blank", "Start with an empty prompt.", "plus",
        {"name": "New agent", "system_prompt": "You are a helpful assistant on the phone. Be brief."},
    ),
)  # fmt: skip
BY_KEY = {template.key: template for template in TEMPLATES}


def settings_of(template: Template) -> dict[str, Any]:
    """The settings to create the agent with."""
    found = {name: value for name, value in template.settings.items() if value != []}
    return {**found, "tool_webhook_url": f"{settings.PUBLIC_URL}/sandbox/demo-tool"} if "tools" in found else found
