"""Speaking and listening by <Say> and <Gather>, and recordings."""

import base64
from collections.abc import Mapping
from urllib.parse import urlsplit

from phone_numbers.carriers.capabilities import Recording, Speech
from phone_numbers.carriers.twilio import memory
from phone_numbers.carriers.twilio.account import TwilioAccount
from phone_numbers.carriers.twilio.client import refusals
from phone_numbers.carriers.twilio.memory import Piece, Script


class TwilioSpeech(Speech):
    """Speech of an account. While a document speaks, what comes next waits for the request of the next one."""

    account: TwilioAccount
    # <Say> takes 4,096 characters, and TwiML escapes some of them.
    max_speech_characters = 3000

    def speak(self, *, carrier_call_id: str, command_id: str, text: str, voice: str, language: str) -> None:
        def add(script: Script) -> None:
            if command_id not in script.said:
                script.said.append(command_id)
                script.to_say.append(Piece(command_id, text, voice, language))

        script = memory.change(self.account.sid, carrier_call_id, add)
        if script.to_say and not script.saying:
            self.account.wake(carrier_call_id, script)

    def stop_speaking(self, *, carrier_call_id: str, command_id: str) -> None:
        """Twilio stops what it says when the caller speaks; another document now would lose their words."""

        def drop(script: Script) -> None:
            script.to_say = []

        memory.change(self.account.sid, carrier_call_id, drop)

    def start_transcription(self, *, carrier_call_id: str, command_id: str, language: str, interim: bool) -> None:
        """Partial results always come: they are what tells that the caller speaks."""

        def listen(script: Script) -> None:
            script.listens, script.language = True, language

        script = memory.change(self.account.sid, carrier_call_id, listen)
        # Not by what was asked before: that command may have failed.
        if not script.hears and not script.saying:
            self.account.wake(carrier_call_id, script)

    def stop_transcription(self, *, carrier_call_id: str, command_id: str) -> None:
        def stop(script: Script) -> None:
            script.listens = False

        memory.change(self.account.sid, carrier_call_id, stop)


class TwilioRecording(Recording):
    """Recording of an account."""

    account: TwilioAccount

    def start_recording(self, *, carrier_call_id: str, client_state: str, command_id: str) -> None:
        command, is_new = memory.begin(command_id)
        if not is_new and command.result:
            return
        with refusals():
            made = self.account.rest.calls(carrier_call_id).recordings.create(
                recording_channels="dual",
                recording_status_callback=self.account.address("recording", state=client_state),
                recording_status_callback_method="POST",
                recording_status_callback_event=["completed", "absent"],
            )
        memory.finish(command_id, str(made.sid))

    def download_headers(self, url: str) -> Mapping[str, str] | None:
        if urlsplit(url)[:2] != urlsplit(self.account.base_url)[:2]:
            return None
        return {"Authorization": f"Basic {base64.b64encode(':'.join(self.account.auth).encode()).decode()}"}
