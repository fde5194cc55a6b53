"""Telnyx as the carrier: Call Control (voice API v2), number orders and media streaming.

`client` speaks REST, `webhooks` parses webhooks, `signature` verifies them, and `media_protocol` the audio socket. The other
files implement the carrier's capabilities. The built-in exchange speaks the same protocol, so this is also its adapter.
"""

from collections.abc import Mapping, Sequence

from phone_numbers.carriers.base import Carrier, CarrierError, WebhookRequest
from phone_numbers.carriers.capabilities import OwnAccounts
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.telnyx import signature, webhooks
from phone_numbers.carriers.telnyx.account import TelnyxAccount, rows_of
from phone_numbers.carriers.telnyx.calls import TelnyxCalls
from phone_numbers.carriers.telnyx.client import TelnyxError
from phone_numbers.carriers.telnyx.compliance import TelnyxCompliance
from phone_numbers.carriers.telnyx.media_protocol import TelnyxMediaProtocol
from phone_numbers.carriers.telnyx.numbers import TelnyxNumbers
from phone_numbers.carriers.telnyx.speech import TelnyxRecording, TelnyxSpeech


class TelnyxCarrier(Carrier, TelnyxCalls, TelnyxSpeech, TelnyxRecording, TelnyxNumbers, TelnyxCompliance, OwnAccounts):
    """One account and one Call Control application (`connection_id`), whose webhook API version must be 2.

    `webhook_path` is not needed: our URL is configured in Telnyx's portal.
    """

    media_protocol = TelnyxMediaProtocol
    required_credentials = ("api_key",)
    optional_credentials = ("public_key", "connection_id")

    def __init__(
        self, *, api_key: str, public_key: str, base_url: str, connection_id: str, webhook_path: str = "telnyx"
    ) -> None:
        self.account = TelnyxAccount(
            api_key=api_key, public_key=public_key, base_url=base_url, connection_id=connection_id
        )

    def complete_credentials(self) -> Mapping[str, str]:
        """Reads the account's Call Control applications; without a `connection_id` it must have exactly one."""
        try:
            applications = rows_of(self.account.client.get("call_control_applications", {"page[size]": 250}))
        except TelnyxError as error:
            reason = "unauthorized" if error.status in {401, 403} else error.reason
            raise CarrierError(str(error), retryable=error.retryable, reason=reason) from error
        ids = [str(row["id"]) for row in applications if row.get("id")]
        if self.account.connection_id and self.account.connection_id not in ids:
            text = f"The account has no Call Control application {self.account.connection_id}."
            raise CarrierError(text, reason="incomplete")
        if not self.account.connection_id and len(ids) != 1:
            text = f"The account has {len(ids)} Call Control applications. Send the `connection_id` of one."
            raise CarrierError(text, reason="incomplete")
        return {"connection_id": self.account.connection_id or ids[0]}

    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        signature.verify(public_key=self.account.public_key, headers=request.headers, body=request.body)
        event = webhooks.parse(request.body)
        return () if event is None else (event,)
