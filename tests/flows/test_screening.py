"""Call screening: a phone whose owner accepts, and one whose owner declines."""

import pytest

from tests.flows.platform import Platform
from tests.long_runs import how_many

AGENT = {
    "mode": "streaming",
    "model": "local-offline",
    "system_prompt": "You are Robin of Harbour Dental. We open at nine.",
}
SCREENS_AND_ACCEPTS, SCREENS_AND_DECLINES = "+15005550010", "+15005550011"


# Telnyx reports screening. Over Twilio, it is recognized by the phone's words.
@pytest.mark.parametrize("carrier", ["twilio", "exchange"][: how_many(1, long=2)])
async def test_calls_to_phones_that_screen_calls(platform: Platform, carrier: str) -> None:
    me = "This is Robin of Harbour Dental about your appointment."
    number = await platform.number(**AGENT, screening_message=me, carrier=carrier)
    accepting, declining = [
        await platform.post("/calls", {"from": number.e164, "to": to})
        for to in (SCREENS_AND_ACCEPTS, SCREENS_AND_DECLINES)
    ]
    declined = await platform.ended_call(declining["id"], 60)
    assert (declined["status"], declined["hangup_cause"]) == ("completed", "normal_clearing")
    assert (declined["screened"], declined["outcome"]) == ("declined", "screened_declined")
    assert [entry["text"] for entry in await platform.transcript(declining["id"])] == [me]

    await platform.until(lambda: _has(platform, accepting["id"], "screening.answered"), 60)
    await platform.until(lambda: _model_said(platform, accepting["id"], 2), 40)
    await platform.post(f"/calls/{accepting['id']}/hangup", status=200)
    accepted = await platform.ended_call(accepting["id"])
    assert (accepted["screened"], accepted["outcome"]) == ("accepted", "screened_accepted")
    texts = [entry["text"] for entry in await platform.transcript(accepting["id"]) if entry["role"] == "model"]
    assert (texts[0], texts.count(me)) == (me, 1)
    for call in (declined, accepted):
        assert (call["voicemail_detected"], call["telephony_cost"]) == (False, "0.05")


def _model_said(platform: Platform, call_id: int, times: int) -> bool:
    count_entries = "SELECT count(*) FROM calls_transcriptentry WHERE call_id = %s AND role = 'model'"
    return bool(platform.query(count_entries, call_id) >= [(times,)])


async def _has(platform: Platform, call_id: int, event: str) -> bool:
    return event in await platform.events(call_id)
