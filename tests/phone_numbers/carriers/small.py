"""A made-up carrier, made as docs/adding-a-carrier.md says. It reports calls and has no capability at all."""

from collections.abc import Sequence

from phone_numbers.carriers.base import Carrier, WebhookRequest
from phone_numbers.carriers.carrier_events import CarrierEvent
from phone_numbers.carriers.telnyx.media_codec import TelnyxMediaCodec


class SmallCarrier(Carrier):
    media_codec = TelnyxMediaCodec

    def parse_webhook(self, request: WebhookRequest) -> Sequence[CarrierEvent]:
        return ()
