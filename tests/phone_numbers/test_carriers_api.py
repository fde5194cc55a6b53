"""The GET /carriers API, and the carrier of numbers and calls."""

from typing import Any

import pytest
from django.test import Client

from phone_numbers.carriers.base import CarrierError
from phone_numbers.carriers.capabilities import CallControl, Compliance
from phone_numbers.carriers.registry import able, carrier_named, forget_carriers
from phone_numbers.models import NumberPurchase
from tests import carriers, factories

pytestmark = pytest.mark.django_db


def test_the_list_shows_status_and_capabilities(client: Client) -> None:
    rows = client.get("/api/v1/carriers", headers=factories.bearer(factories.make_developer())).json()["data"]
    carriers = {row["slug"]: row for row in rows}
    assert {slug: row["status"] for slug, row in carriers.items() if slug != "twilio"} == {
        "telnyx": "available",
        "exchange": "not_configured",
    }
    assert [slug for slug, row in carriers.items() if row["is_default"]] == ["telnyx"]
    assert carriers["telnyx"]["capabilities"] == {
        "call_control": True,
        "speech": True,
        "recording": True,
        "number_inventory": True,
        "compliance": True,
        "own_accounts": True,
        "voicemail_detection": True,
        "call_screening": True,
    }


@pytest.mark.parametrize("path", ["phone-numbers/available?carrier=exchange", "phone-numbers/available?carrier=nobody"])
def test_an_unavailable_carrier_is_refused(client: Client, path: str) -> None:
    answer = client.get(f"/api/v1/{path}", headers=factories.bearer(factories.make_developer()))
    assert (answer.status_code, answer.json()["errors"]) == (
        422,
        {"carrier": ["Must be a configured carrier: telnyx."]},
    )


def test_a_capability_is_looked_up_by_its_class() -> None:
    assert able("telnyx", CallControl) is carrier_named("telnyx")
    with pytest.raises(CarrierError, match="not configured") as refused:
        able("exchange", CallControl)
    assert refused.value.reason == "not_configured"


def test_a_missing_capability_is_a_carrier_error(settings: Any) -> None:
    settings.CARRIERS = {
        "small": {
            "NAME": "Small",
            "BACKEND": "tests.phone_numbers.carriers.small.SmallCarrier",
            "OPTIONS": {},
            "IS_CONFIGURED": True,
        }
    }
    forget_carriers()
    with pytest.raises(CarrierError, match="Small does not offer compliance") as refused:
        able("small", Compliance)
    forget_carriers()
    assert refused.value.reason == "unsupported"


def test_a_number_is_at_the_default_carrier_unless_bought_elsewhere(client: Client) -> None:
    number = factories.make_phone_number()
    data = client.get(f"/api/v1/phone-numbers/{number.pk}", headers=factories.bearer(number.developer)).json()["data"]
    assert data["carrier"] == "telnyx"


def test_a_carrier_without_compliance_does_not_sell_numbers_that_need_documents(client: Client, settings: Any) -> None:
    carriers.configure(settings, {"account_sid": "AC1", "auth_token": "t"}, "twilio")
    settings.DEFAULT_CARRIER = "twilio"
    headers = factories.bearer(factories.make_developer())
    countries = client.get("/api/v1/countries", headers=headers)
    assert {row["country_code"] for row in countries.json()["data"]} == {"US"}
    response = client.get("/api/v1/countries/GB/requirements", headers=headers)
    body = {"phone_number": "+442071838750", "country_code": "GB", "number_type": "local", "carrier": "twilio"}
    bought = client.post("/api/v1/phone-numbers", body, content_type="application/json", headers=headers)
    forget_carriers()
    refusal = {"carrier": ["Numbers in GB require documents, which twilio does not accept here."]}
    assert (response.status_code, response.json()["errors"]) == (422, refusal)
    assert (bought.status_code, bought.json()["errors"]) == (422, refusal)
    assert not NumberPurchase.objects.exists()
