"""/api/v1/carriers: the carriers of this installation, and what they can do."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bubblyphone.core.api.json_schema import Read, choice, flag, record, shape, text
from bubblyphone.core.api.views import data
from phone_numbers.carriers.capabilities import CAPABILITIES
from phone_numbers.carriers.registry import CarrierRow, carrier_rows

_TEXTS = {
    "call_control": "Places and receives calls, streams their audio, and transfers them.",
    "speech": "Speaks and transcribes, which webhook mode requires.",
    "recording": "Records calls in webhook mode, and the part after a transfer.",
    "number_inventory": "Sells numbers.",
    "compliance": "Accepts documents for countries that require verification.",
    "own_accounts": "Supports numbers of your own account there (`POST /carrier-accounts`).",
    "voicemail_detection": "Reports that a machine answered an outbound call.",
    "call_screening": "Outbound calls recognize a phone that asks who is calling.",
}
CARRIER = shape(
    "Carrier",
    {
        "slug": text("telnyx"),
        "display_name": text("Telnyx"),
        "status": choice(["available", "not_configured"], "available"),
        "is_default": flag("Whether numbers are bought from it if a request names no carrier.", example=True),
        "capabilities": Read(
            lambda row: row.capabilities, record({name: flag(about, example=True) for name, about in _TEXTS.items()})
        ),
    },
)
assert set(CAPABILITIES) <= set(_TEXTS)


class CarriersView(APIView):
    """GET /carriers, not paginated."""

    def get(self, request: Request) -> Response:
        rows: list[CarrierRow] = carrier_rows()
        return data([CARRIER.of(row) for row in rows])
