"""Developers' own carrier accounts and the numbers they bring, tested with the built-in exchange."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core import mail
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient
from twilio.request_validator import RequestValidator

from accounts.models import Developer
from bubblyphone.core.money import ZERO
from calls.models import Call
from phone_numbers import carrier_accounts
from phone_numbers.carriers.telnyx import TelnyxCarrier
from phone_numbers.models import CarrierAccount, PhoneNumber
from tests import carriers
from tests.deaths import Killed
from tests.described import check_webhook
from tests.factories import bearer, make_developer, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import Answer, RecordingServer
from tests.jobs import run_jobs
from tests.phone_numbers.own_accounts import ACCOUNTS, IMPORT, NUMBER, PUBLIC_KEY, add, imported, own_elsewhere, report
from webhooks.models import Event, SigningSecret

pytestmark = pytest.mark.django_db
TWILIO = {"account_sid": f"AC{'1' * 32}", "auth_token": "t"}


@pytest.fixture
def client(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


def test_an_account_is_verified_encrypted_and_shown_with_its_last_four_characters(
    client: APIClient, exchange: ExchangeThread, developer: Developer, settings: Any
) -> None:
    answer = add(client, exchange)
    assert answer.status_code == 201, answer.content
    account = CarrierAccount.objects.get(developer=developer)
    data = answer.json()["data"]
    assert data == client.get(f"{ACCOUNTS}/{account.pk}").json()["data"] == client.get(ACCOUNTS).json()["data"][0]
    assert (data["provider"], data["label"], data["status"]) == ("telnyx", "Ours", "active")
    assert data["last_four"] == exchange.exchange.api_key[-4:]
    assert data["webhook_url"] == f"{settings.PUBLIC_URL}/webhooks/telnyx/own/{account.pk}"
    assert exchange.exchange.api_key not in answer.content.decode() + account.encrypted
    # The application was detected, because the account has only one.
    assert account.read_credentials() == {
        "api_key": exchange.exchange.api_key, "public_key": PUBLIC_KEY, "connection_id": "exchange",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "credentials", "field", "text"),
    [
        ("telnyx", {"api_key": "KEYwrong"}, "credentials", "Telnyx does not accept these credentials."),
        ("telnyx", {"public_key": "x"}, "credentials", "api_key is required."),
        ("telnyx", {"api_key": "KEY", "base_url": "http://10.0.0.1"}, "credentials", "Unknown credential: base_url."),
        ("telnyx", {"connection_id": "7"}, "credentials", "The account has no Call Control application 7."),
        ("telnyx", {"api_key": "KEY…"}, "credentials", "api_key must be ASCII text without spaces."),
        ("telnyx", {"api_key": "KEY\r\nX: y"}, "credentials", "api_key must be ASCII text without spaces."),
        ("twilio", {"account_sid": "AC 1", "auth_token": "é"}, "credentials", "account_sid must be ASCII text without"),
        (
            "twilio",
            {"account_sid": "AC1/../AC2", "auth_token": "t"},
            "credentials",
            "account_sid must be AC and 32 hex",
        ),
        ("exchange", {"api_key": "KEY"}, "provider", "Must be one of "),
    ],
)
def test_an_invalid_account_is_refused_and_not_stored(
    client: APIClient, exchange: ExchangeThread, provider: str, credentials: dict[str, str], field: str, text: str
) -> None:
    if "connection_id" in credentials:
        credentials = {"api_key": exchange.exchange.api_key} | credentials
    answer = client.post(ACCOUNTS, {"provider": provider, "credentials": credentials}, format="json")
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][field][0].startswith(text)
    assert not CarrierAccount.objects.exists()


def test_an_account_is_not_stored_if_the_carrier_does_not_respond(client: APIClient, exchange: ExchangeThread) -> None:
    exchange.exchange.faults.rest["call_control_applications"] = 503
    assert add(client, exchange).status_code == 502
    assert not CarrierAccount.objects.exists()


@pytest.mark.parametrize(
    ("provider", "credentials", "answer", "status"),
    [
        ("telnyx", {"api_key": "KEY"}, Answer(200, b'{"data": [[]]}'), 502),
        ("telnyx", {"api_key": "KEY"}, Answer(200, b'{"data": [{}]}'), 422),
        ("telnyx", {"api_key": "KEY"}, Answer(400, b"null"), 502),
        ("twilio", TWILIO, Answer(200, b"[]"), 502),
        ("twilio", TWILIO, Answer(400, b'{"code": "x", "message": []}'), 502),
        ("twilio", TWILIO, Answer(401, b'{"code": {}}'), 422),
        ("twilio", TWILIO, Answer(404, b'{"code": 20404}'), 422),
    ],
)
def test_an_account_is_not_stored_after_unexpected_responses(
    client: APIClient, settings: Any, provider: str, credentials: dict[str, str], answer: Answer, status: int
) -> None:
    with RecordingServer([answer] * 3) as server:
        carriers.configure(settings, {"base_url": server.url}, slug=provider)
        refused = client.post(ACCOUNTS, {"provider": provider, "credentials": credentials}, format="json")
    assert refused.status_code == status, refused.content
    # The server has stopped.
    response = client.post(ACCOUNTS, {"provider": provider, "credentials": credentials}, format="json")
    assert (response.status_code, CarrierAccount.objects.count()) == (502, 0)


def test_only_admin_keys_can_change_accounts_and_only_their_own(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    ordinary, path = APIClient(headers=bearer(developer)), f"{ACCOUNTS}/{account}"
    assert ordinary.get(path).status_code == 200
    for refused in (ordinary.post(ACCOUNTS, {}, format="json"), ordinary.delete(path), ordinary.post(f"{path}/test")):
        assert (refused.status_code, refused.json()["reason"]) == (403, "admin_key_required")
    stranger = APIClient(headers=bearer(make_developer(email="other@example.com"), is_admin=True))
    for hidden in (stranger.get(path), stranger.delete(path), stranger.post(f"{path}/test")):
        assert hidden.status_code == 404
    body = {"phone_number": NUMBER, "carrier_account_id": account}
    assert stranger.post(IMPORT, body, format="json").status_code == 404
    assert stranger.get(f"/api/v1/phone-numbers/available?carrier_account_id={account}").status_code == 404
    assert stranger.post("/api/v1/phone-numbers", body, format="json").status_code == 404
    assert APIClient(headers=bearer(developer, is_admin=True)).delete(path).status_code == 204
    assert not CarrierAccount.objects.exists()


def test_a_number_is_imported_configured_and_routed_back_on_release(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    record = own_elsewhere(exchange)
    body = {
        "phone_number": NUMBER,
        "carrier_account_id": account,
        "label": "Desk",
        "webhook_url": "https://a.example/x",
    }
    answer = client.post(IMPORT, body, format="json")
    assert answer.status_code == 201, answer.content
    data = answer.json()["data"]
    assert {name: data[name] for name in ("carrier", "carrier_account_id", "source", "monthly_cost", "label")} == {
        "carrier": "telnyx", "carrier_account_id": account, "source": "imported", "monthly_cost": "0.00", "label": "Desk",
    }  # fmt: skip
    assert (data["country_code"], data["webhook_secret"][:6], record["connection_id"]) == ("US", "whsec_", "exchange")
    again = client.post(IMPORT, body, format="json")
    assert (again.status_code, PhoneNumber.objects.count()) == (409, 1)
    assert client.delete(f"{ACCOUNTS}/{account}").status_code == 409
    assert client.delete(f"/api/v1/phone-numbers/{data['id']}").status_code == 204
    assert (record["connection_id"], exchange.exchange.state.phone_numbers[NUMBER]) == ("elsewhere", record)
    assert client.delete(f"{ACCOUNTS}/{account}").status_code == 204


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"carrier_account_id": None}, 422, "carrier_account_id"),
        ({"phone_number": "+14155550199"}, 422, "phone_number"),
        ({"carrier": "twilio"}, 422, "carrier"),
        ({"mode": "streaming"}, 422, ""),
        ({"colour": "red"}, 422, "colour"),
    ],
)
def test_an_invalid_import_changes_nothing(
    client: APIClient, exchange: ExchangeThread, fields: dict[str, Any], status: int, field: str
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    record = own_elsewhere(exchange)
    body = {"phone_number": NUMBER, "carrier_account_id": account} | fields
    answer = client.post(IMPORT, {name: value for name, value in body.items() if value is not None}, format="json")
    assert answer.status_code == status, answer.content
    assert not field or field in answer.json()["errors"]
    assert (PhoneNumber.objects.count(), record["connection_id"]) == (0, "elsewhere")


def test_a_number_that_cannot_be_routed_is_not_stored(client: APIClient, exchange: ExchangeThread) -> None:
    account = add(client, exchange).json()["data"]["id"]
    record = own_elsewhere(exchange)
    exchange.exchange.faults.rest[str(record["id"])] = 403
    answer = client.post(IMPORT, {"phone_number": NUMBER, "carrier_account_id": account}, format="json")
    assert (answer.status_code, PhoneNumber.objects.count(), SigningSecret.objects.count()) == (502, 0, 0)


def test_a_process_killed_while_routing_a_number_loses_nothing(
    client: APIClient, exchange: ExchangeThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    record = own_elsewhere(exchange)
    route_here = TelnyxCarrier.route_here

    def die(carrier: TelnyxCarrier, *, carrier_ref: str) -> None:
        route_here(carrier, carrier_ref=carrier_ref)
        raise Killed

    monkeypatch.setattr(TelnyxCarrier, "route_here", die)
    with pytest.raises(Killed):
        client.post(IMPORT, {"phone_number": NUMBER, "carrier_account_id": account}, format="json")
    assert record["connection_id"] == "exchange"
    assert client.delete(f"/api/v1/phone-numbers/{PhoneNumber.objects.get().pk}").status_code == 204
    assert record["connection_id"] == "elsewhere"


def test_nothing_is_imported_without_the_webhooks_public_key(client: APIClient, exchange: ExchangeThread) -> None:
    account = add(client, exchange, public_key="").json()["data"]["id"]
    record = own_elsewhere(exchange)
    answer = client.post(IMPORT, {"phone_number": NUMBER, "carrier_account_id": account}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["carrier_account_id"])
    assert (PhoneNumber.objects.count(), record["connection_id"]) == (0, "elsewhere")
    assert report(account, "v3:one") in {400, 403}


@pytest.mark.usefixtures("without_billing")
def test_without_billing_the_installation_s_own_account_can_be_used(
    client: APIClient, exchange: ExchangeThread
) -> None:
    record = own_elsewhere(exchange)
    data = client.post(IMPORT, {"phone_number": NUMBER}, format="json").json()["data"]
    assert (data["source"], data["carrier_account_id"], record["connection_id"]) == ("imported", None, "exchange")


def test_a_twilio_number_is_imported_receives_calls_and_is_routed_back(
    client: APIClient, developer: Developer, settings: Any, configure_carrier: object
) -> None:
    sid, token, before = f"AC{'1' * 32}", "twilio-token", "https://old.example.com/voice"
    with ExchangeThread(twilio_accounts={sid: token}) as running:
        carriers.configure(settings, {"base_url": running.exchange.url}, slug="twilio")
        body = {"provider": "twilio", "credentials": {"account_sid": sid, "auth_token": "wrong"}}
        assert client.post(ACCOUNTS, body, format="json").status_code == 422
        body["credentials"]["auth_token"] = token  # type: ignore[index]
        account = client.post(ACCOUNTS, body, format="json").json()["data"]
        assert (account["provider"], account["last_four"]) == ("twilio", "oken")
        running.exchange.twilio.own(NUMBER, sid, voice_url=before)
        row = running.exchange.state.incoming_phone_numbers[NUMBER]
        fields = {"phone_number": NUMBER, "carrier_account_id": account["id"], "webhook_url": "https://a.example/x"}
        number = client.post(IMPORT, fields, format="json").json()["data"]
        url = f"{account['webhook_url']}/voice"
        assert row["voice_url"].partition("#")[0] == url
        call = {"AccountSid": sid, "CallSid": "CA1", "CallStatus": "ringing", "Direction": "inbound"}
        call |= {"From": "+12025550123", "To": NUMBER}
        path = url.removeprefix(settings.PUBLIC_URL)
        forged = Client().post(
            path, call, headers={"X-Twilio-Signature": RequestValidator("x").compute_signature(url, call)}
        )
        assert (forged.status_code, Call.objects.count()) == (403, 0)
        signature = RequestValidator(token).compute_signature(url, call)
        body_text, kind = urlencode(call), "application/x-www-form-urlencoded"
        taken = Client().post(path, body_text, content_type=kind, headers={"X-Twilio-Signature": signature})
        assert taken.status_code == 200
        ringing = Call.objects.get()
        assert (ringing.carrier, ringing.telephony_rate) == (f"twilio:{account['id']}", ZERO)
        Call.objects.update(ended_at=timezone.now())
        assert client.delete(f"/api/v1/phone-numbers/{number['id']}").status_code == 204
        assert row["voice_url"] == before


def test_the_page_adds_an_account_imports_a_number_and_deletes_the_account(
    exchange: ExchangeThread, developer: Developer, empty_redis: object
) -> None:
    browser = Client()
    browser.force_login(developer)
    page = "/numbers/bring"
    assert b"Add a Telnyx account" in browser.get(page).content
    form = {"provider": "telnyx", "api_key": "KEYwrong", "public_key": PUBLIC_KEY, "label": "Ours"}
    refused = browser.post(f"{page}/account", form)
    assert b"Telnyx does not accept these credentials." in refused.content
    assert b"KEYwrong" not in refused.content
    form["api_key"] = exchange.exchange.api_key
    assert browser.post(f"{page}/account", form).headers["Location"] == page
    account = CarrierAccount.objects.get(developer=developer)
    record = own_elsewhere(exchange)
    wrong = {"carrier_account_id": account.pk, "phone_number": "+14155550199"}
    assert b"The carrier account does not own this number." in browser.post(f"{page}/import", wrong).content
    answer = browser.post(f"{page}/import", wrong | {"phone_number": NUMBER})
    number = PhoneNumber.objects.get()
    assert (answer.headers["Location"], record["connection_id"]) == (f"/numbers/{number.pk}", "exchange")
    assert browser.post(f"{page}/{account.pk}/test").headers["Location"] == page
    browser.post(f"{page}/{account.pk}/delete")
    assert CarrierAccount.objects.exists()
    browser.post(f"/numbers/{number.pk}/release")
    assert record["connection_id"] == "elsewhere"
    browser.post(f"{page}/{account.pk}/delete")
    assert not CarrierAccount.objects.exists()


def test_an_inbound_call_has_no_telephony_charge(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    number = imported(developer, account)
    assert report(account, "v3:one") == 200
    call = Call.objects.get()
    assert (call.phone_number, call.carrier, call.telephony_rate) == (number, f"telnyx:{account}", ZERO)
    assert client.get(f"/api/v1/calls/{call.pk}").json()["data"]["carrier"] == "telnyx"


def test_an_account_can_only_report_about_its_own_numbers_and_calls(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    victim = make_phone_number(e164=NUMBER, carrier="telnyx", webhook_url="https://victim.example.com/webhook")
    theirs = Call.objects.create(
        developer=victim.developer, phone_number=victim, direction="outbound", from_number=NUMBER, carrier="telnyx",
        to_number="+12025550123", mode="webhook", carrier_call_id="v3:theirs", config={},
    )  # fmt: skip
    assert report(account, "v3:forged") == 200
    state = base64.b64encode(str(theirs.pk).encode()).decode()
    assert report(account, "v3:theirs", direction="outgoing", client_state=state) == 200
    theirs.refresh_from_db()
    assert (Call.objects.count(), theirs.status) == (1, "initiated")
    assert report(account, "v3:two", key=Ed25519PrivateKey.generate()) in {400, 403}
    assert {report(pk, "v3:three") for pk in (account + 1000, "9" * 30, "9" * 5000)} == {404}
    assert Call.objects.count() == 1


def test_a_call_id_that_another_carrier_also_uses_is_not_an_error(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    imported(developer, account)
    victim = make_phone_number(e164="+14155550101", carrier="telnyx")
    theirs = Call.objects.create(
        developer=victim.developer, phone_number=victim, direction="outbound", from_number=victim.e164, carrier="telnyx",
        to_number="+12025550123", mode="webhook", carrier_call_id="v3:theirs", config={},
    )  # fmt: skip
    assert report(account, "v3:theirs") == 200
    ours = Call.objects.get(carrier=f"telnyx:{account}")
    assert (ours.carrier_call_id, ours.developer) == ("v3:theirs", developer)
    theirs.refresh_from_db()
    assert (theirs.status, theirs.developer) == ("initiated", victim.developer)


@pytest.mark.parametrize(
    ("call_id", "change", "status"),
    [
        ("v3:" + "a" * 200, {}, 400),
        ("v3:one", {"occurred_at": "0001-01-01T00:00:00+14:00"}, 400),
        ("v3:one", {"occurred_at": "9999-12-31T23:59:59-14:00"}, 400),
        ("v3:one", {"id": "e" * 101}, 400),
        ("v3:one", {"direction": "outgoing", "client_state": base64.b64encode(b"9" * 5000).decode()}, 400),
        ("v3:one", {"direction": "outgoing", "client_state": base64.b64encode(b"9" * 90).decode()}, 200),
        ("v3:one", {"from": "sip:" + "a" * 100}, 200),
    ],
)
def test_unexpected_reports_from_a_developer_s_account_cause_no_server_error(
    client: APIClient, exchange: ExchangeThread, developer: Developer, call_id: str, change: dict[str, str], status: int
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    imported(developer, account)
    assert report(account, call_id, **change) == status
    assert Call.objects.count() == ("from" in change)


def test_the_hourly_check_notifies_once_about_failing_credentials(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    imported(developer, account)
    exchange.exchange.api_key = "another"
    for _ in range(2):
        carrier_accounts.check_accounts()
        run_jobs()
    assert client.get(f"{ACCOUNTS}/{account}").json()["data"]["status"] == "failing"
    (email,) = mail.outbox
    assert email.subject == "Telnyx no longer accepts your credentials"
    assert NUMBER in email.body
    event = Event.objects.get(event_type="carrier_account.failing")
    check_webhook(json.loads(event.body))
    assert json.loads(event.body)["carrier_account_id"] == str(account)
    assert client.post(f"{ACCOUNTS}/{account}/test").json()["data"]["status"] == "failing"


def test_a_number_bought_with_the_developer_s_account_costs_nothing_here(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account = add(client, exchange).json()["data"]["id"]
    query = {"country": "US", "area_code": "415", "carrier": "telnyx", "carrier_account_id": account}
    found = client.get("/api/v1/phone-numbers/available", query).json()
    assert (found["data"][0]["phone_number"], found["pricing"]["monthly_cost"]) == (NUMBER, "0.00")
    body = {"phone_number": NUMBER, "carrier_account_id": account}
    answer = client.post("/api/v1/phone-numbers", body, format="json")
    assert answer.status_code == 201, answer.content
    data = answer.json()["data"]
    assert (data["source"], data["carrier_account_id"], data["monthly_cost"]) == ("purchased", account, "0.00")
    assert client.delete(f"/api/v1/phone-numbers/{data['id']}").status_code == 204
    assert NUMBER not in exchange.exchange.state.phone_numbers
    refused = client.post("/api/v1/phone-numbers", body | {"carrier": "twilio"}, format="json")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["carrier"])
