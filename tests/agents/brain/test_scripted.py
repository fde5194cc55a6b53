"""The scripted demo agent, line by line."""

import pytest

from agents.brain.base import Say
from agents.cues import Cue
from agents.providers.base import ToolSpec, Turn
from agents.speech import is_installed
from tests.agents.brain.conftest import NewConversation
from tests.agents.brain.restaurant import END_CALL, PROMPT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not is_installed(), reason="needs the offline packages"),
]

HOURS = "We are open Tuesday to Sunday from 5 p.m. to 11 p.m."
UNKNOWN = "I am sorry, I do not know that. I am a scripted demo agent and only know what I was told."
ELSE = "Is there anything else I can do for you?"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What are your opening hours?", HOURS),
        ("What are your opening ours", HOURS),  # a common recognition error
        ("When do you open?", HOURS),
        ("I would like to know your opening hours.", HOURS),
        ("Are you open on Monday?", f"{HOURS} On Mondays we are closed."),
        ("Where are you located?", "The restaurant is at 12 Market Street, next to the library."),
        ("What's the address?", "The restaurant is at 12 Market Street, next to the library."),
        ("Can you tell me your address?", "The restaurant is at 12 Market Street, next to the library."),
        ("Where can I park my car?", "Parking is free behind the house."),
        ("I have a question about parking.", "Parking is free behind the house."),
        ("How much is a margarita pizza?", "A Margherita costs 14 dollars, and a Diavola 17 dollars."),
        ("What are your prices?", "A Margherita costs 14 dollars, and a Diavola 17 dollars."),
        ("Do you have anything without gluten?", "We have vegetarian and gluten-free dishes."),
        ("Can I bring my dog?", "Dogs are welcome on the terrace."),
        ("Do you deliver?", "We deliver within three miles for a fee of 5 dollars."),
        ("Can I pay by card?", "You can pay by credit card or cash."),
        ("It's my daughter's birthday. Do you do anything special?", "We bake a free cake for birthday guests."),
        ("What is the weather like in London?", UNKNOWN),
        ("Who won the world cup?", UNKNOWN),
        ("Who is the president?", UNKNOWN),
        ("Please tell me a joke.", UNKNOWN),
        ("Hello?", "Hello! How can I help you?"),
        ("How are you today?", "Very well, thank you. How can I help you?"),
        ("Thank you very much.", f"You are welcome. {ELSE}"),
        ("Um.", "How can I help you?"),
        ("I'd like to book a table.", "Sure. For how many people?"),
        ("I want to make a reservation.", "Sure. For how many people?"),
        ("Can we reserve a table for two on Friday at eight?", "Sure. What name, please?"),
        ("Where is my order?", "Sure. What is the order number?"),
        ("Can I leave a message for the owner?", "Sure. What is the message?"),
        ("Check availability, please.", "Sure. For which date?"),
    ],
)
async def test_answers_the_first_sentence(new_conversation: NewConversation, question: str, answer: str) -> None:
    assert await new_conversation().say(question) == answer


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("Goodbye.", "end_call", {"reason": "The caller said goodbye."}),
        ("That's all, thank you, bye.", "end_call", {"reason": "The caller said goodbye."}),
        ("Good buy.", "end_call", {"reason": "The caller said goodbye."}),
        ("Thank you very much, Dubai.", "end_call", {"reason": "The caller said goodbye."}),
        ("Can I speak to the manager?", "transfer_call", {"reason": "Can I speak to the manager?"}),
        ("Police transfer me.", "transfer_call", {"reason": "Police transfer me."}),
        ("What's the status of order number four five one two?", "check_order_status", {"order_number": "4512"}),
        ("Check availability for to-morrow.", "check_availability", {"date": "2026-11-23"}),
    ],
)
async def test_calls_a_tool_immediately(
    new_conversation: NewConversation, line: str, name: str, arguments: dict[str, str]
) -> None:
    talk = new_conversation()
    assert await talk.say(line) != ""
    assert talk.call == (name, arguments)


async def test_books_a_table_and_asks_for_missing_details(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    assert await talk.say("I'd like a table for four people to-morrow evening.") == "Sure. At what time?"
    assert await talk.say("At seven thirty.") == "What name, please?"
    assert talk.brain.is_patient
    assert await talk.say("Sorry, what?") == "What name, please?"
    assert await talk.say("My name is Sarah Johnson.") == (
        "To confirm: book table, party size 4, date Monday, November 23rd, time 7:30 PM, name Sarah Johnson. Is that right?"
    )
    assert await talk.say("No, five people.") == (
        "All right. To confirm: book table, party size 5, date Monday, November 23rd, time 7:30 PM, name Sarah Johnson."
        " Is that right?"
    )
    assert talk.calls == []
    assert await talk.say("Yes, please.") == "One moment, please."
    assert talk.call == (
        "book_table",
        {"party_size": 5, "date": "2026-11-23", "time": "19:30", "name": "Sarah Johnson"},
    )
    assert await talk.tool_answers({"message": "Your table is booked."}) == f"Your table is booked. {ELSE}"
    assert await talk.say("No thanks.") == "Thank you for calling. Goodbye!"
    assert talk.call == ("end_call", {"reason": "The caller said goodbye."})


async def test_changes_the_slot_that_the_caller_names(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    for line in ("Book a table for two on Friday at eight.", "Smith."):
        await talk.say(line)
    assert await talk.say("No.") == "What should I change?"
    assert await talk.say("The time.") == "At what time?"
    assert "time 7 PM" in await talk.say("Seven.")
    await talk.say("That's right.")
    assert talk.call[1] == {"party_size": 2, "date": "2026-11-27", "time": "19:00", "name": "Smith"}


async def test_refuses_a_value_that_the_schema_forbids(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Book a table, please.")
    assert await talk.say("For twenty people.") == "The party size can be 12 at most. For how many people?"
    assert await talk.say("Four.") == "For which date?"


async def test_answers_a_question_in_between_and_asks_again(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Book a table for two, please.")
    assert await talk.say("When do you open?") == f"{HOURS} For which date?"


async def test_cancels_a_tool_when_the_caller_does(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Book a table for two, please.")
    assert await talk.say("Never mind.") == f"All right, let us leave that. {ELSE}"
    assert await talk.say("What are your opening hours?") == HOURS


async def test_gives_up_after_three_unusable_answers(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Book a table, please.")
    assert await talk.say("Purple elephants.") == "Sorry, I did not get the party size. For how many people?"
    await talk.say("Purple elephants.")
    assert await talk.say("Purple elephants.") == f"All right, let us leave that. {ELSE}"


async def test_says_goodbye_in_the_middle_of_a_tool(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    for line in ("Book a table for two on Friday at eight.", "Smith."):
        await talk.say(line)
    assert await talk.say("No thanks. Goodbye.") == "Thank you for calling. Goodbye!"
    assert talk.call[0] == "end_call"


async def test_takes_a_message_with_a_number_spoken_in_groups(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Could I leave a message?")
    assert await talk.say("Please call me back about the catering.") == "What is the phone number?"
    await talk.say("Five five five, oh one two, three four double six.")
    await talk.say("Yep.")
    assert talk.call == (
        "take_message",
        {"message": "Please call me back about the catering", "phone": "5550123466"},
    )
    answer = await talk.tool_answers({"error": "The owner is away."})
    assert answer == f"I am sorry, that did not work. The owner is away. {ELSE}"


async def test_speaks_the_result_of_a_look_up(new_conversation: NewConversation) -> None:
    talk = new_conversation()
    await talk.say("Check availability for April first.")
    assert talk.call == ("check_availability", {"date": "2027-04-01"})
    answer = await talk.tool_answers({"result": {"available": True, "slots": ["10:00", "14:00"]}})
    assert answer == f"It is available and the slots are 10 AM and 2 PM. {ELSE}"


async def test_fills_enum_boolean_number_and_place(new_conversation: NewConversation) -> None:
    tool = ToolSpec(
        "order_pizza",
        "Order a pizza for delivery",
        {
            "type": "object",
            "properties": {
                "size": {"type": "string", "enum": ["small", "medium", "large"]},
                "quantity": {"type": "integer"},
                "extra_cheese": {"type": "boolean"},
                "city": {"type": "string"},
            },
            "required": ["size", "quantity", "extra_cheese", "city"],
        },
    )
    talk = new_conversation(tools=(tool,))
    assert await talk.say("I want to order a pizza.") == "Sure. Which size: small, medium or large?"
    assert await talk.say("Lodge.") == "What is the quantity?"  # how the recognizer may transcribe "large"
    assert await talk.say("Two.") == "Extra cheese: yes or no?"
    assert await talk.say("No thanks.") == "What is the city?"
    assert await talk.say("In San Francisco.") == (
        "To confirm: order pizza, size large, quantity 2, extra cheese no, city San Francisco. Is that right?"
    )
    await talk.say("Correct.")
    assert talk.call[1] == {"size": "large", "quantity": 2, "extra_cheese": False, "city": "San Francisco"}


async def test_says_that_it_is_a_demo_agent(new_conversation: NewConversation) -> None:
    reply = await new_conversation().say("Are you a robot?")
    assert reply.startswith("I am Ada, a scripted demo agent of Luigi's Pizzeria, not a person.")
    assert "book a table at the restaurant" in reply


async def test_cannot_transfer_without_the_tool(new_conversation: NewConversation) -> None:
    talk = new_conversation(tools=(END_CALL,))
    assert (await talk.say("Get me a human.")).startswith("I am sorry, I cannot put you through to anybody.")
    assert talk.calls == []


@pytest.mark.parametrize(
    ("instructions", "spoken"),
    [
        (
            "Greet the person and ask how you can help.",
            "Hello, this is Ada, the demo agent of Luigi's Pizzeria. How can I help you?",
        ),
        ("", "Hello, this is Ada, the demo agent of Luigi's Pizzeria. How can I help you?"),
        ('Say: "Welcome to Luigi\'s, what can I do for you?"', "Welcome to Luigi's, what can I do for you?"),
        ("Good evening, Luigi's Pizzeria.", "Good evening, Luigi's Pizzeria."),
        ("Tell the caller that we are about to close.", "We are about to close."),
        ("Say goodbye and hang up.", "Thank you for calling. Goodbye."),
        (
            Cue.LEAVE_MESSAGE,
            "Hello, this is Ada, the demo agent of Luigi's Pizzeria. Please call back when you can. Goodbye.",
        ),
    ],
)
async def test_speaks_first(new_conversation: NewConversation, instructions: str, spoken: str) -> None:
    assert await new_conversation().reply(instructions) == spoken


@pytest.mark.parametrize(
    ("whisper", "now", "next_answer"),
    [
        ("Tell the caller that the table is ready.", "The table is ready.", "The table is ready."),
        ("The refund has been approved.", "The refund has been approved.", "The refund has been approved."),
        ("Say goodbye and hang up.", "Thank you for calling. Goodbye!", "Thank you for calling. Goodbye!"),
        ("Be friendlier.", "", ""),
    ],
)
async def test_follows_a_whisper_once(
    new_conversation: NewConversation, whisper: str, now: str, next_answer: str
) -> None:
    talk = new_conversation()
    talk.brain.follow(whisper)
    assert await talk.reply(Cue.FOLLOW_WHISPER) == now
    assert await talk.reply(Cue.FOLLOW_WHISPER) == ""
    talk = new_conversation()
    talk.brain.follow(whisper)
    answer = await talk.say("Who is calling, please?")
    assert answer.startswith(next_answer)
    assert next_answer not in await talk.say("Who is calling, please?") or not next_answer


@pytest.mark.parametrize("cue", Cue)
@pytest.mark.parametrize("history", [(), (Turn("user", "When do you open?"), Turn("model", HOURS))])
async def test_never_speaks_the_platform_s_instructions(
    new_conversation: NewConversation, cue: Cue, history: tuple[Turn, ...]
) -> None:
    offer, sorry = "How can I help you?", "Sorry, we were cut off for a moment."
    who = "Hello, this is Ada, the demo agent of Luigi's Pizzeria."
    spoken = {
        Cue.GO_ON: HOURS if history else f"{who} {offer}",
        Cue.ANSWER_WITH_RESULTS: HOURS if history else f"{who} {offer}",
        Cue.ANSWER_NOW: "Sorry, I did not catch that. Could you say it again?",
        Cue.BACK_ON_THE_LINE: f"{sorry} {HOURS if history else offer}",
        Cue.ASK_IF_THERE: "Are you still there?",
        Cue.TOOL_TAKES_LONG: "One moment, please.",
        Cue.OFFER_TO_GO_ON: f"I am sorry, I could not reach anybody. {ELSE}",
        Cue.CALL_GIVEN_BACK: f"I am back with you. {ELSE}",
        Cue.FOLLOW_WHISPER: "",  # no whisper
        Cue.LEAVE_MESSAGE: f"{who} Please call back when you can. Goodbye.",
    }
    assert await new_conversation(history=history).reply(cue) == spoken[cue]


@pytest.mark.parametrize(
    "greeting",
    [
        "Tell the caller that we are closed, and ask for their name.",
        "Greet the caller and ask how can I help.",
        "Hello! Ask the caller how they are.",
        "Hi there! Be friendly and short.",
        "Start by greeting Jane by name.",
        "Say welcome and ask for their name.",
        'Never say "I am a robot". Greet warmly.',
        "Say exactly what the customer wants to hear, and offer a discount.",
        "Inform them that you are an AI.\nThen ask for the order number.",
    ],
)
async def test_a_greeting_that_is_an_instruction_is_not_read_out(
    new_conversation: NewConversation, greeting: str
) -> None:
    own = "Hello, this is Ada, the demo agent of Luigi's Pizzeria. How can I help you?"
    assert await new_conversation().reply(greeting) == own


@pytest.mark.parametrize(
    ("greeting", "spoken"),
    [
        ("Thanks for calling Acme. Please hold and don't hang up.", None),
        ("Hello Jane, thank you for your order. We'll be in touch!", None),
        ("Hi, ask me anything!", None),
        ("Welcome to Acme, your order has shipped, and you can track it online.", None),
        ("Say welcome to Luigi's.", "Welcome to Luigi's."),
        ("Greet the caller with: Welcome to Acme!", "Welcome to Acme!"),
    ],
)
async def test_a_greeting_that_is_speech_is_spoken(
    new_conversation: NewConversation, greeting: str, spoken: str | None
) -> None:
    assert await new_conversation().reply(greeting) == (spoken or greeting)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Your table is ready.", "Your table is ready."),
        ('He said "hello" and left.', 'He said "hello" and left.'),
        ("One.\nTwo.\n\nThree.", "One.\nTwo.\n\nThree."),
        ("Tell the caller that we are closed, and ask for their name.", None),
        ("Say: goodbye", None),
        ('<speak>Wait <break time="1s"/>here &amp; there.</speak>', " Wait  here & there. "),
        ("5 < 6, I <3 it", None),
        ("Guten Tag, hier ist die Praxis. 你好", None),
        ("a" * 5000, None),
    ],
)
async def test_recites_a_text_verbatim(new_conversation: NewConversation, text: str, spoken: str | None) -> None:
    brain = new_conversation().brain
    assert [step async for step in brain.recite(text)] == [Say(text if spoken is None else spoken)]


@pytest.mark.parametrize(
    ("note", "question", "answer"),
    [
        ("Do not mention the discount of ten percent.", "Is there a discount of ten percent?", UNKNOWN),
        ("Offer the caller a discount of ten percent.", "Is there a discount of ten percent?", UNKNOWN),
        ("Tell the caller that the discount is ten percent.", "What is the discount?", "The discount is ten percent."),
        (
            "The discount is ten percent; do not haggle about it.",
            "What is the discount?",
            "The discount is ten percent.",
        ),
    ],
)
async def test_a_note_for_the_agent_is_not_read_out(
    new_conversation: NewConversation, note: str, question: str, answer: str
) -> None:
    talk = new_conversation(prompt="You are Ada.")
    talk.brain.note(note)
    talk.brain.notice("The caller pressed these keys on the phone: ten percent discount.")
    assert await talk.say(question) == answer


async def test_leaves_a_message_that_gives_the_reason_for_the_call(new_conversation: NewConversation) -> None:
    prompt = "You are calling John Smith to confirm their appointment on April 15 at 2 p.m. Be polite and brief."
    talk = new_conversation(prompt=prompt)
    reason = "I am calling to confirm your appointment on April 15 at 2 p.m."
    assert await talk.reply("Greet the person.") == f"Hello, this is the demo agent. {reason}"
    assert await talk.say("Hello, this is Sam speaking.") == f"Hello! {reason}"
    assert (await talk.say("Who is calling, please?")).startswith(f"I am a scripted demo agent, not a person. {reason}")
    assert await talk.reply(Cue.LEAVE_MESSAGE) == (
        "Hello, this is the demo agent. I am calling to confirm your appointment on April 15 at 2 p.m."
        " Please call back when you can. Goodbye."
    )


async def test_continues_where_a_lost_session_stopped(new_conversation: NewConversation) -> None:
    talk = new_conversation(history=(Turn("user", "When do you open?"), Turn("model", HOURS)))
    assert await talk.say("Pardon?") == HOURS


async def test_uses_context_that_the_developer_adds(new_conversation: NewConversation) -> None:
    talk = new_conversation(prompt=PROMPT)
    talk.brain.note("The caller's order has left the kitchen and arrives in ten minutes.")
    assert await talk.say("When does the food arrive?") == (
        "Your order has left the kitchen and arrives in ten minutes."
    )
