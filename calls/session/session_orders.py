"""What others ask of a live call, and what is reported to it: the API, the pages, the carrier, the process that is about to stop."""

from collections.abc import Callable, Mapping
from typing import Any

from bubblyphone.core.audio import AudioFormat
from calls.session.agent_output import AgentOutput
from calls.session.barge_in import BargeIn
from calls.session.caller_input import CallerInput
from calls.session.farewell import Farewell
from calls.session.limit_watch import LimitWatch
from calls.session.listening import Monitor, Publish, Tap
from calls.session.model_conversation import ModelConversation
from calls.session.screening import Screening
from calls.session.take_over import TakeOver
from calls.session.transfer_state import TransferState
from calls.session.transport import MediaTransport
from calls.session.voicemail import Voicemail
from calls.session.who_answered import Answering


class SessionOrders(ModelConversation):
    """The part of a spoken conversation (calls.session.call_session) that is for others. Nothing here waits for long."""

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
    before_close: Callable[[], None]  # is called when the conversation is about to be over: the last moment for reports

    @property
    def is_resumed(self) -> bool:
        """Whether another session has talked before."""
        return bool(self._resume_reason)

    async def end_when_quiet(self, cause: str, within_seconds: float) -> None:
        """Let what has been said be heard, then end."""
        await self._farewell.end_when_quiet(cause, within_seconds)

    def key_reported(self, event_id: str, digit: str, *, seconds_ago: float) -> None:
        """The carrier reports a key that the caller pressed, which the stream may have brought already."""
        if not self._is_over:
            self._caller_input.key_reported(event_id, digit, seconds_ago=seconds_ago)

    async def transfer_begun(self, *, is_warm: bool = False) -> None:
        """Somebody else is being called."""
        if is_warm:
            await self._transfer.stay_meanwhile()
        else:
            self._transfer.begun()
            await self._barge_in.drop_answers()

    async def transfer_failed(self, reason: str) -> None:
        """Nobody could be reached: the caller is the model's again, if there is one, or the person's who has taken the call over."""
        self._caller_input.vad.forget()
        await self._transfer.failed(reason)
        if self._farewell.has_given_up and not self.take_over.is_on:
            self.end("model_failed")

    async def machine_answered(self) -> None:
        """The carrier reports a machine. A person who has taken the call over hears who is there, and decides."""
        if not self.take_over.is_on:
            await self.voicemail.begin()
            self.screening.listen()

    async def screening_detected(self, *, says_who: bool = True) -> None:
        """The phone asks who is calling; the same goes for it. `says_who`: nobody has told it yet."""
        if not self.take_over.is_on:
            await self.screening.begin(says_who=says_who)

    async def person_answered(self) -> None:
        """A person is there, perhaps after their phone has asked who is calling."""
        self.answering.person()
        await self.screening.person()

    async def speak(self, text: str) -> bool:
        """Have the model say a text of the developer's; False while it is not the one who speaks."""
        return not self.take_over.is_on and await super().speak(text)

    @property
    def _may_answer_now(self) -> bool:
        return self._limit_watch.is_quiet

    @property
    def is_over(self) -> bool:
        """Whether nothing more is said."""
        return self._is_over

    @property
    def audio_format(self) -> AudioFormat:
        """Of the line, in both directions."""
        return self._transport.audio_format

    def report(self, event_type: str, metadata: Mapping[str, Any]) -> None:
        """Write down what people at the call's page do."""
        self._observer.event(event_type, metadata, source="api")

    def tap(self, publish: Publish) -> Tap:
        """Have both sides of the line handed to `publish`; the caller runs the tap, and calls `untap` in the end."""
        audio_format = self._transport.audio_format
        unplayed, played_ms = self._agent_output.unplayed()
        self.monitor.tap = Tap(audio_format, publish, unplayed, played_ms, self._now)
        return self.monitor.tap

    def untap(self) -> None:
        """Nobody listens any more."""
        self.monitor.tap = None
