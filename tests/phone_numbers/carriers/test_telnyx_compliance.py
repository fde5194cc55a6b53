"""Submitting the documents of a number's owner to Telnyx: the requests, their order, and which are not repeated."""

import base64
import json
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config
from telnyx.types.address_create_params import AddressCreateParams
from telnyx.types.requirement_group_create_params import RequirementGroupCreateParams
from telnyx.types.requirement_group_update_params import RequirementGroupUpdateParams

from phone_numbers.carriers.base import CarrierError, PostalAddress, RequirementAnswer
from phone_numbers.carriers.telnyx import TelnyxCarrier
from tests.fakes.recording_server import Answer, ReceivedRequest, RecordingServer

ANSWERS = [
    RequirementAnswer("text-id", text="Jane Doe, Acme"),
    RequirementAnswer("file-id", filename="ver_1/bill.pdf", content=b"%PDF-1.4"),
    RequirementAnswer(
        "address-id", address=PostalAddress("Jane", "Doe", "Acme", "1 High Street", "London", "SW1A 1AA")
    ),
]
GROUP = {"id": "g1", "status": "unapproved"}
FILE, ADDRESS = {"data": {"id": "d1"}}, {"data": {"id": "1293384261075731499"}}


def say(body: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


def submit(*answers: Answer) -> tuple[str | CarrierError, list[ReceivedRequest]]:
    """Returns the outcome and the requests."""
    with RecordingServer(list(answers)) as server:
        carrier = TelnyxCarrier(api_key="k", public_key="", base_url=server.url, connection_id="c")
        try:
            outcome: str | CarrierError = carrier.submit_requirements(
                country="GB", number_type="local", reference="ver_1", answers=ANSWERS
            )
        except CarrierError as error:
            outcome = error
    return outcome, server.requests


def names(requests: list[ReceivedRequest]) -> list[str]:
    return [f"{each.method} {each.path.partition('?')[0]}" for each in requests]


def test_a_first_submission() -> None:
    outcome, requests = submit(say([]), say(GROUP), say(FILE), say(ADDRESS), say(GROUP), say(GROUP))
    assert outcome == "g1"
    assert names(requests) == [
        "GET /requirement_groups",
        "POST /requirement_groups",
        "POST /documents",
        "POST /addresses",
        "PATCH /requirement_groups/g1",
        "POST /requirement_groups/g1/submit_for_approval",
    ]
    assert requests[0].path.endswith("?filter%5Bcustomer_reference%5D=ver_1")
    group, document, address, values = (each.json for each in requests[1:5])
    assert group == {
        "country_code": "GB",
        "phone_number_type": "local",
        "action": "ordering",
        "customer_reference": "ver_1",
    }
    assert document == {
        "file": base64.b64encode(b"%PDF-1.4").decode(),
        "filename": "bill.pdf",
        "customer_reference": "ver_1",
    }
    assert address == {
        "first_name": "Jane",
        "last_name": "Doe",
        "business_name": "Acme",
        "street_address": "1 High Street",
        "locality": "London",
        "postal_code": "SW1A 1AA",
        "country_code": "GB",
        "customer_reference": "ver_1",
    }
    assert values == {
        "regulatory_requirements": [
            {"requirement_id": "text-id", "field_value": "Jane Doe, Acme"},
            {"requirement_id": "file-id", "field_value": "d1"},
            {"requirement_id": "address-id", "field_value": "1293384261075731499"},
        ]
    }
    strict = with_config(ConfigDict(extra="forbid"))
    for params, body in (
        (RequirementGroupCreateParams, group),
        (RequirementGroupUpdateParams, values),
        (AddressCreateParams, address),
    ):
        TypeAdapter(strict(params)).validate_python(body)


def test_an_unfinished_group_is_continued() -> None:
    outcome, requests = submit(say([GROUP]), say(FILE), say(ADDRESS), say(GROUP), say(GROUP))
    assert outcome == "g1"
    assert "POST /requirement_groups" not in names(requests)


@pytest.mark.parametrize("status", ["pending-approval", "approved"])
def test_a_submitted_group_is_not_changed(status: str) -> None:
    outcome, requests = submit(say([{"id": "g1", "status": status}]))
    assert outcome == "g1"
    assert names(requests) == ["GET /requirement_groups"]


def test_advance_approval_is_optional() -> None:
    refusal = say({"errors": [{"code": "10015", "detail": "Not available for this country."}]}, 422)
    outcome, _ = submit(say([]), say(GROUP), say(FILE), say(ADDRESS), say(GROUP), refusal)
    assert outcome == "g1"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([say({"errors": [{"code": "10009", "detail": "No."}]}, 401)], "unauthorized"),
        ([say([]), say({})], "outcome_unknown"),
        ([say([]), say(GROUP), say({"errors": [{"code": "10015", "detail": "Virus."}]}, 422)], "rejected"),
        ([say([]), say(GROUP), say({"data": {}})], "outcome_unknown"),
        ([say([]), say(GROUP), say(FILE), say(ADDRESS), say(GROUP), Answer(None)], "outcome_unknown"),
    ],
)
def test_errors_are_reported(answers: list[Answer], reason: str) -> None:
    outcome, _ = submit(*answers)
    assert isinstance(outcome, CarrierError)
    assert outcome.reason == reason
