"""Speaking and listening by <Say> and <Gather>, and recordings."""

import base64
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from bubblyphone.core.network.waiting import before_waiting
from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import Recording, Speech
from phone_numbers.carriers.twilio import call_scripts, given_commands
from phone_numbers.carriers.twilio.account import TwilioAccount
from phone_numbers.carriers.twilio.call_scripts import Piece, Script
from phone_numbers.carriers.twilio.client import refusals, sid_of

# We report the answer when Twilio requests the first document, but the call is answered when Twilio receives it.
ANSWERED_WITHIN_SECONDS, ANSWERED_POLL_SECONDS = 4.0, 0.1


class TwilioSpeech(Speech):
    """Speech for an account. While a document speaks, or hears the caller, later steps wait until Twilio requests the next one."""

    account: TwilioAccount
    # <Say> accepts 4,096 characters, and TwiML escapes some of them.
    max_speech_characters = 3000
    stops_in_response = True

    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        def add(script: Script) -> None:
            if command_id not in script.said:
                script.said.append(command_id)
                script.to_say.append(Piece(command_id, text, voice, language))

        def is_due(script: Script) -> bool:
            return bool(script.to_say) and not script.saying and not script.is_hearing_caller

        self.account.change(carrier_call_id, add, is_due=is_due)

    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        """Twilio stops speaking when the caller speaks; a new document now would lose the caller's words."""

        def drop(script: Script) -> None:
            script.to_say = []

        call_scripts.change(self.account.sid, carrier_call_id, drop)

    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        """Partial results are always requested, because they show that the caller is speaking. Without `interim` they interrupt nothing."""

        def listen(script: Script) -> None:
            script.listens, script.language, script.is_interruptible = True, language, interim

        # Whether it listened before does not count: that command may have failed.
        self.account.change(carrier_call_id, listen, is_due=lambda script: not script.hears and not script.saying)

    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        def stop(script: Script) -> None:
            script.listens = False

        call_scripts.change(self.account.sid, carrier_call_id, stop)


class TwilioRecording(Recording):
    """Recording for an account."""

    account: TwilioAccount

    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        command, is_new = given_commands.begin(command_id)
        if command.result:
            return
        if not is_new and (found := self._recordings_of(carrier_call_id)):
            given_commands.finish(command_id, found[0])
            return
        deadline = time.monotonic() + ANSWERED_WITHIN_SECONDS
        while not (made := self._recording(carrier_call_id, client_state, is_last=time.monotonic() > deadline)):
            before_waiting()
            time.sleep(ANSWERED_POLL_SECONDS)
        given_commands.finish(command_id, made)

    def _recordings_of(self, call_sid: str) -> list[str]:
        with refusals():
            return [sid_of(found) for found in self.account.rest.calls(call_sid).recordings.list(limit=1)]

    def _recording(self, call_sid: str, client_state: str, *, is_last: bool) -> str:
        """The recording's id; empty while the call is being answered, when Twilio refuses as if it had ended. Raises CarrierError."""
        try:
            with refusals():
                made = self.account.rest.calls(call_sid).recordings.create(
                    recording_channels="dual",
                    recording_status_callback=self.account.address("recording", state=client_state),
                    recording_status_callback_method="POST",
                    recording_status_callback_event=["completed", "absent"],
                )
                return sid_of(made)
        except CarrierError as error:
            if error.reason != "call_ended" or not self.account.is_alive(call_sid):
                raise
            if is_last:
                raise CarrierError(str(error), retryable=True, reason="not_answered") from error
            return ""

    def download_headers(self, url: str) -> Mapping[str, str] | None:
        if urlsplit(url)[:2] != urlsplit(self.account.base_url)[:2]:
            return None
        return {"Authorization": f"Basic {base64.b64encode(':'.join(self.account.auth).encode()).decode()}"}
