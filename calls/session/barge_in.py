"""Answers that are not heard to their end.

Barge-in: the caller speaks while the agent does, and the model learns how much was heard. Or a machine, another person, or the end of the
call interrupts.
"""

from dataclasses import dataclass

from calls.session.agent_output import OTHER_VOICES, PERSON_ITEM, AgentOutput
from calls.session.conversation_history import ConversationHistory
from calls.session.dead_air import DeadAir
from calls.session.interfaces import Observer
from calls.session.model_link import ModelLink
from calls.session.playback_clock import Cut
from calls.session.voice_activity import VoiceActivityDetector


@dataclass(kw_only=True, eq=False, repr=False)
class BargeIn:
    """Cuts the answer being played: on the line, in the transcript and at the model. `is_enabled`: the agent's `interruptible`."""

    is_enabled: bool
    agent_output: AgentOutput
    vad: VoiceActivityDetector
    dead_air: DeadAir
    conversation: ConversationHistory
    link: ModelLink
    observer: Observer

    @property
    def is_possible(self) -> bool:
        """Whether something plays that the caller may interrupt."""
        return self.is_enabled and self.agent_output.is_on

    async def cut_answer(self) -> None:
        """The caller interrupts the answer being played and those queued behind it."""
        cuts = await self.agent_output.fall_silent()
        self.vad.note_voice(self.dead_air.spoken_ms)  # caller audio was not counted while we spoke
        self.observer.event("model.interrupted", {"heard_ms": cuts[0].heard_ms if cuts else 0})
        await self._tell(cuts)

    async def make_way(self) -> None:
        """A person takes the agent's place in the middle of its answer."""
        await self._tell(await self.agent_output.fall_silent())

    async def _tell(self, cuts: list[Cut]) -> None:
        self._note(cuts)
        for cut in cuts:
            if cut.item_id not in OTHER_VOICES:
                await self.link.truncate(cut.item_id, cut.heard_ms)

    async def drop_answers(self) -> None:
        """Nobody should hear the pending audio."""
        self._note(await self.agent_output.fall_silent())

    def line_closed(self) -> None:
        """Nothing more is heard."""
        self._note(self.agent_output.cuts())

    def _note(self, cuts: list[Cut]) -> None:
        for cut in cuts:
            if cut.item_id == PERSON_ITEM:
                continue  # its text is what was said, not what was sent
            self.conversation.cut(cut.item_id, cut.heard_ms, cut.sounds_ms)
