"""Requests to a live call, and reports about it: from the API, the pages, the carrier, and the process that is about to stop."""

from collections.abc import Callable, Mapping
from typing import Any

from bubblyphone.core.audio import AudioFormat
from calls.session.agent_output import AgentOutput
from calls.session.audio_monitor import Monitor, Publish, Tap
from calls.session.barge_in import BargeIn
from calls.session.caller_input import CallerInput
from calls.session.farewell import Farewell
from calls.session.limit_watch import LimitWatch
from calls.session.model_conversation import ModelConversation
from calls.session.screening import Screening
from calls.session.take_over import TakeOver
from calls.session.transfer_state import TransferState
from calls.session.transport import MediaTransport
from calls.session.voicemail import Voicemail
from calls.session.who_answered import Answering


class SessionOrders(ModelConversation):
    """The public methods of a spoken conversation (calls.session.call_session). Nothing here waits long."""

    answering: Answering
    screening: Screening
    take_over: TakeOver
    voicemail: Voicemail
    monitor: Monitor
    _transport: MediaTransport
    _agent_output: AgentOutput
    _barge_in: BargeIn
    _caller_input: CallerInput
    _farewell: Farewell
    _limit_watch: LimitWatch
    _transfer: TransferState
    _resume_reason: str
    _now: Callable[[], float]
    before_close: Callable[[], None]  # called when the conversation is about to end: the last chance for reports

    @property
    def is_resumed(self) -> bool:
        """Whether an earlier session has talked."""
        return bool(self._resume_reason)

    async def end_when_quiet(self, cause: str, within_seconds: float) -> None:
        """Let pending audio play, then end."""
        await self._farewell.end_when_quiet(cause, within_seconds)

    def key_reported(self, event_id: str, digit: str, *, seconds_ago: float) -> None:
        """The carrier reports a key of the caller, which the stream may already have delivered."""
        if not self._is_over:
            self._caller_input.key_reported(event_id, digit, seconds_ago=seconds_ago)

    async def transfer_begun(self, *, is_warm: bool = False) -> None:
        """The transfer recipient is being called."""
        if is_warm:
            await self._transfer.stay_meanwhile()
        else:
            self._transfer.begun()
            await self._barge_in.drop_answers()

    async def transfer_failed(self, reason: str) -> None:
        """Nobody was reached: the caller returns to the model, if there is one, or to the person who has taken over the call."""
        self._caller_input.vad.forget()
        await self._transfer.failed(reason)
        if self._farewell.has_given_up and not self.take_over.is_on:
            self.end("model_failed")

    async def machine_answered(self) -> None:
        """The carrier reports a machine. A person who has taken over the call hears it, and decides."""
        if not self.take_over.is_on:
            await self.voicemail.begin()
            self.screening.listen()

    async def screening_detected(self, *, says_who: bool = True) -> None:
        """The phone asks who is calling; the same applies to it. `says_who`: nobody has told it yet."""
        if not self.take_over.is_on:
            await self.screening.begin(says_who=says_who)

    async def person_answered(self) -> None:
        """A person answered, possibly after their phone asked who is calling."""
        self.answering.person()
        await self.screening.person()

    async def speak(self, text: str) -> bool:
        """Have the model say a text of the developer's; False if it is not the one speaking."""
        return not self.take_over.is_on and await super().speak(text)

    @property
    def _may_answer_now(self) -> bool:
        return self._limit_watch.is_quiet

    @property
    def is_over(self) -> bool:
        """Whether the conversation is over."""
        return self._is_over

    @property
    def audio_format(self) -> AudioFormat:
        """Format of the line, in both directions."""
        return self._transport.audio_format

    def report(self, event_type: str, metadata: Mapping[str, Any]) -> None:
        """Record what people do on the call's page."""
        self._observer.event(event_type, metadata, source="api")

    def tap(self, publish: Publish) -> Tap:
        """Publish both sides of the line; the caller runs the tap, and finally calls `untap`."""
        audio_format = self._transport.audio_format
        unplayed, played_ms = self._agent_output.unplayed()
        self.monitor.tap = Tap(audio_format, publish, unplayed, played_ms, self._now)
        return self.monitor.tap

    def untap(self) -> None:
        """Nobody listens anymore."""
        self.monitor.tap = None
