"""Barge-in: the caller speaks while the agent does. Pending audio is dropped, and the model learns how much was heard."""

from calls.session.agent_output import AgentOutput
from calls.session.conversation import Conversation
from calls.session.dead_air import DeadAir
from calls.session.interfaces import Observer
from calls.session.model_link import ModelLink
from calls.session.voice_activity import VoiceActivityDetector


class BargeIn:
    """Cuts the answer that plays: on the line, in the transcript and at the model. `is_enabled`: the agent's `interruptible`."""

    def __init__(
        self,
        *,
        is_enabled: bool,
        agent_output: AgentOutput,
        vad: VoiceActivityDetector,
        dead_air: DeadAir,
        conversation: Conversation,
        link: ModelLink,
        observer: Observer,
    ) -> None:
        self._is_enabled = is_enabled
        self._agent_output = agent_output
        self._vad = vad
        self._dead_air = dead_air
        self._conversation = conversation
        self._link = link
        self._observer = observer

    @property
    def is_possible(self) -> bool:
        """Whether something plays that the caller may interrupt."""
        return self._is_enabled and self._agent_output.is_on

    async def cut_answer(self) -> None:
        """Stop the answer that plays now."""
        item_id = self._agent_output.item_id
        heard_ms, share = await self._agent_output.fall_silent()
        self._vad.note_voice(self._dead_air.spoken_ms)  # what was heard of it went uncounted while we spoke
        self._observer.event("model.interrupted", {"heard_ms": heard_ms})
        self._conversation.interrupted(item_id, heard_ms, share)
        await self._link.truncate(item_id, heard_ms)
