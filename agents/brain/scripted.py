"""The scripted demo agent: answers from its system prompt by lookup, fills in tools by asking, and says what it cannot do.

It has no language model: every sentence is a template, a statement from the prompt, or a tool's result.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from agents.brain import phrases
from agents.brain.base import Brain, Call, Say, Step, Steps, ToolResult
from agents.brain.facts import Embed, Knowledge
from agents.brain.identity import Identity, identity_of, is_order, literal_speech
from agents.brain.results import failure_of, summarise
from agents.brain.slot_filling import Form, Outcome
from agents.brain.text import as_sentence, content_words, join_words, label, plain
from agents.brain.tool_choice import ToolChoice
from agents.cues import CUES, Cue
from agents.providers.base import ToolSpec, Turn

END_CALL_NAMES = frozenset(["end_call", "hang_up", "hangup", "end_conversation"])
OPT_OUT_NAME = "add_to_do_not_call"
FAREWELL = re.compile(r"\b(?:goodbye|farewell|say bye|end the call|hang up)\b")
TRANSFER_NAME = re.compile(r"transfer|escalate|hand_?off|hand_?over|forward_call|human")
ANYTHING_ELSE = "Is there anything else I can do for you?"
NOT_UNDERSTOOD = "Sorry, I did not catch that. Could you say it again?"


class ScriptedBrain(Brain):
    """One conversation of the scripted demo agent."""

    def __init__(
        self,
        prompt: str,
        tools: Sequence[ToolSpec],
        embed: Embed,
        *,
        history: Sequence[Turn] = (),
        today: Callable[[], date],
    ) -> None:
        self._identity: Identity = identity_of(prompt)
        self._knowledge = Knowledge(prompt, embed)
        self._end_call = next((t for t in tools if t.name in END_CALL_NAMES), None)
        self._transfer = next((t for t in tools if t is not self._end_call and TRANSFER_NAME.search(t.name)), None)
        # Only explicit words put a caller on the do-not-call list, not a similar sentence: there is no way to get off it by talking.
        self._opt_out = next((t for t in tools if t.name == OPT_OUT_NAME), None)
        own = (self._end_call, self._transfer, self._opt_out)
        # Keys are pressed for machines at the other end; callers never ask for it.
        self._tools = [t for t in tools if t not in own and t.name != "send_dtmf"]
        self._choice = ToolChoice(self._tools, embed)
        self._today = today
        self._form: Form | None = None
        self._has_asked_anything_else = False
        self._whispered = ""  # an instruction that has not been followed yet
        self._last_said = next((turn.text for turn in reversed(history) if turn.role == "model"), "")
        self._call_ids = (f"local_{number}" for number in itertools.count(1))

    async def prepare(self) -> None:
        """Analyze prompt and tools once, before the caller asks."""
        await self._knowledge.prepare()
        await self._choice.prepare()

    @property
    def is_patient(self) -> bool:
        awaited = self._form.awaited if self._form else None
        return awaited is not None and awaited.kind.is_slow

    def said(self, text: str) -> None:
        self._last_said = text or self._last_said

    def heard(self, said: str, heard: str) -> None:
        """Nothing to do: "pardon?" repeats the whole sentence, which is what the caller missed."""

    def note(self, message: str) -> None:
        self._knowledge.add(message)

    def follow(self, instruction: str) -> None:
        """A whispered sentence is spoken, a request to hang up or transfer is carried out, and facts are remembered for later questions."""
        self._knowledge.add(instruction)
        self._whispered = instruction

    async def reply(self, instructions: str) -> Steps:
        if instructions == Cue.FOLLOW_WHISPER:
            for step in self._follow_whisper():
                yield step
        elif instructions in CUES:
            yield Say(self._at_cue(Cue(instructions)))
        else:
            yield Say(literal_speech(instructions) or self._as_instructed(plain(instructions)))

    def _as_instructed(self, wanted: str) -> str:
        """The sentence for instructions that only describe what to say."""
        if re.search(r"\b(?:voice ?mail|leave (?:\w+ ){0,3}message)\b", wanted):
            return self._identity.voice_message
        if FAREWELL.search(wanted):
            return "Thank you for calling. Goodbye."
        if self._last_said and not re.search(r"\b(?:greet|welcome|introduce|hello)\b", wanted):
            return self._last_said
        return self._identity.greeting

    def _at_cue(self, cue: Cue) -> str:
        """The sentence for a cue of the platform."""
        match cue:
            case Cue.GO_ON | Cue.ANSWER_WITH_RESULTS:
                return self._last_said or self._identity.greeting
            case Cue.ANSWER_NOW:
                return NOT_UNDERSTOOD
            case Cue.BACK_ON_THE_LINE:
                return f"Sorry, we were cut off for a moment. {self._last_said or self._identity.offer}"
            case Cue.ASK_IF_THERE:
                return "Are you still there?"
            case Cue.TOOL_TAKES_LONG:
                return "One moment, please."
            case Cue.OFFER_TO_GO_ON:
                self._has_asked_anything_else = True
                return f"I am sorry, I could not reach anybody. {ANYTHING_ELSE}"
            case Cue.LEAVE_MESSAGE:
                return self._identity.voice_message
            case Cue.CALL_GIVEN_BACK:
                self._has_asked_anything_else = True
                return f"I am back with you. {ANYTHING_ELSE}"
            case Cue.FOLLOW_WHISPER:  # `reply` does more than say a sentence
                return ""

    def _follow_whisper(self) -> list[Step]:
        """Follow the last whispered instruction, once."""
        instruction, self._whispered = self._whispered, ""
        wanted = plain(instruction)
        if words := literal_speech(instruction):
            return [Say(words)]
        if FAREWELL.search(wanted):
            return self._say_goodbye()
        if self._transfer and re.search(r"\b(?:transfer|hand over|put (?:\w+ )?through|connect)\b", wanted):
            return self._hand_over(instruction)
        return [Say(instruction)] if instruction and not is_order(instruction) else []

    async def ask_again(self) -> Steps:
        yield Say(NOT_UNDERSTOOD)

    async def answer(self, text: str) -> Steps:
        said = plain(text)
        has_asked, self._has_asked_anything_else = self._has_asked_anything_else, False
        if self._whispered:
            for step in self._follow_whisper():
                yield step
                if isinstance(step, Call):
                    return
        if phrases.PARDON.search(said) and len(said.split()) <= 10:
            self._has_asked_anything_else = has_asked
            yield Say(self._last_said or self._identity.greeting)
            return
        if self._form:
            steps = await self._answer_in_form(text, self._form)
        else:
            steps = await self._answer_freely(text, has_asked=has_asked)
        for step in steps:
            yield step

    async def _answer_in_form(self, text: str, form: Form) -> list[Step]:
        said = plain(text)
        if self._transfer and phrases.WANTS_HUMAN.search(said):
            self._form = None
            return self._hand_over(text)
        if self._opt_out and phrases.OPT_OUT.search(said):
            return self._begin(self._opt_out, text)
        outcome = form.answer(text)
        if outcome is not Outcome.NOT_MINE:
            return self._after(form, outcome)
        if phrases.GOODBYE.search(said):
            self._form = None
            return self._say_goodbye()
        answer, _ = await self._knowledge.look_up(text)
        return [Say(f"{answer or 'I do not know that, sorry.'} {form.prompt}")]

    def _after(self, form: Form, outcome: Outcome, lead: str = "") -> list[Step]:
        """Speak or do what the form decided."""
        if outcome is Outcome.ASK:
            return [Say(lead + form.prompt)]
        self._form = None
        if outcome is Outcome.READY:
            return [Say("One moment, please."), Call(next(self._call_ids), form.tool.name, form.values)]
        self._has_asked_anything_else = True
        return [Say(f"All right, let us leave that. {ANYTHING_ELSE}")]

    async def _answer_freely(self, text: str, *, has_asked: bool) -> list[Step]:
        said = plain(text)
        if self._opt_out and phrases.OPT_OUT.search(said):
            return self._begin(self._opt_out, text)
        if phrases.GOODBYE.search(said) and not phrases.QUESTION.search(said):
            return self._say_goodbye()
        if has_asked and (phrases.is_no(said) or (phrases.THANKS.search(said) and len(said.split()) <= 5)):
            return self._say_goodbye() if len(said.split()) <= 6 else await self._answer_subject(text, said)
        if phrases.WANTS_HUMAN.search(said):
            return self._hand_over(text)
        if small_talk := self._small_talk(said):
            return [Say(small_talk)]
        return await self._answer_subject(text, said)

    def _small_talk(self, said: str) -> str:
        """A reply to small talk; "" if the caller asks about a subject."""
        if phrases.HELLO.search(said):
            return f"Hello! {self._identity.offer}"
        if phrases.WHO_ARE_YOU.search(said):
            return f"{self._identity.introduction} {self._abilities()}"
        if phrases.WHAT_CAN_YOU_DO.search(said):
            return self._abilities()
        if phrases.HOW_ARE_YOU.search(said) and len(said.split()) <= 8:
            return f"Very well, thank you. {self._identity.offer}"
        if phrases.THANKS.search(said) and len(said.split()) <= 5:
            self._has_asked_anything_else = True
            return f"You are welcome. {ANYTHING_ELSE}"
        if len(said.split()) <= 3 and (phrases.is_yes(said) or phrases.is_no(said)):
            return "What can I do for you?"
        return ""

    async def _answer_subject(self, text: str, said: str) -> list[Step]:
        """A tool, a statement of the prompt, or "I don't know" if there is neither."""
        answer, fit = await self._knowledge.look_up(text)
        if tool := await self._choice.choose(text, said, fact_fit=fit if answer else 0.0):
            return self._begin(tool, text)
        if answer:
            return [Say(answer)]
        if not content_words(said):
            return [Say(self._identity.offer)]
        return [Say("I am sorry, I do not know that. I am a scripted demo agent and only know what I was told.")]

    def _begin(self, tool: ToolSpec, text: str) -> list[Step]:
        """Ask for what a tool needs beyond what was said, or call it."""
        self._form = form = Form(tool, self._today())
        return self._after(form, form.begin(text), lead="Sure. ")

    def _abilities(self) -> str:
        offers = ["answer questions about what I was told"] if self._knowledge.facts else []
        offers += [_as_ability(tool) for tool in self._tools[:4]]
        return f"I can {join_words(offers)}." if offers else "I only know how to hold this conversation."

    def _say_goodbye(self) -> list[Step]:
        steps: list[Step] = [Say("Thank you for calling. Goodbye!")]
        if self._end_call:
            steps.append(self._call(self._end_call, "The caller said goodbye."))
        return steps

    def _hand_over(self, text: str) -> list[Step]:
        if self._transfer is None:
            return [Say(f"I am sorry, I cannot put you through to anybody. {self._abilities()}")]
        return [Say("Of course. I will put you through now."), self._call(self._transfer, text)]

    def _call(self, tool: ToolSpec, reason: str) -> Call:
        """A call of a tool that needs nothing from the caller: required texts get the reason."""
        properties: Mapping[str, Any] = tool.parameters.get("properties") or {}
        required = tool.parameters.get("required") or ()
        arguments = {name: reason for name in properties if name in required or name == "reason"}
        return Call(next(self._call_ids), tool.name, arguments)

    async def go_on(self, results: Sequence[ToolResult]) -> Steps:
        spoken: list[str] = []
        for answer in results:
            failure = failure_of(answer.result)
            is_transfer = self._transfer is not None and answer.name == self._transfer.name
            if answer.name in END_CALL_NAMES or (is_transfer and failure is None):
                continue
            if is_transfer:
                spoken.append("I am sorry, I could not reach anybody.")
            elif failure is not None:
                spoken.append(f"I am sorry, that did not work. {failure}".strip())
            else:
                spoken.append(summarise(answer.result))
        if spoken:
            self._has_asked_anything_else = True
            yield Say(" ".join([*map(as_sentence, spoken), ANYTHING_ELSE]))


def _as_ability(tool: ToolSpec) -> str:
    """A tool's ability, to follow "I can": its description if short, otherwise its name."""
    words = re.split(r"[.,;:(]", tool.description)[0].split()
    verb = label(tool.name).split()[0]
    if not 2 <= len(words) <= 8:
        return label(tool.name)
    first = words[0].lower()
    return " ".join([verb if first in (f"{verb}s", f"{verb}es") else first, *words[1:]])
