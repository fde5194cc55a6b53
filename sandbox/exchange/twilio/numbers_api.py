"""REST: the account, numbers for sale, and the account's numbers.

https://www.twilio.com/docs/phone-numbers/api
"""

import re
from typing import Any

from aiohttp import web

from sandbox.exchange import inventory, regulation
from sandbox.exchange.http import json_response
from sandbox.exchange.inventory import Block
from sandbox.exchange.state import Record, State
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.errors import TwilioError
from sandbox.exchange.twilio.forms import Form, read_form
from sandbox.exchange.twilio.http import route
from sandbox.exchange.twilio.values import API_VERSION, new_sid, now, page_of, rfc2822

# Twilio's resource for a kind of number → the exchange's name for it.
KINDS = {"Local": "local", "TollFree": "toll_free", "Mobile": "mobile", "National": "national"}
SETTINGS = {
    "FriendlyName": "friendly_name",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "VoiceCallerIdLookup": "voice_caller_id_lookup",
    "VoiceReceiveMode": "voice_receive_mode",
    "VoiceApplicationSid": "voice_application_sid",
    "TrunkSid": "trunk_sid",
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsFallbackMethod": "sms_fallback_method",
    "SmsApplicationSid": "sms_application_sid",
}
UPDATE = " ".join(SETTINGS)
UNOFFERED = "AddressSid BundleSid IdentitySid EmergencyAddressSid EmergencyStatus AccountSid ApiVersion"
MAX_RESULTS = 1000
SEARCH = frozenset(
    {"AreaCode", "Contains", "InRegion", "InLocality", "Beta", "PageSize", "Page", "PageToken"}
    | {"VoiceEnabled", "SmsEnabled", "MmsEnabled", "FaxEnabled"}
    | {"ExcludeAllAddressRequired", "ExcludeLocalAddressRequired", "ExcludeForeignAddressRequired"}
)
FEATURES = {"VoiceEnabled": "voice", "SmsEnabled": "sms", "MmsEnabled": "mms", "FaxEnabled": "fax"}


class NumbersApi:
    """Handlers by resource and method."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        return [
            route("GET", "", self.account),
            route("GET", "/AvailablePhoneNumbers", self.countries),
            route("GET", "/AvailablePhoneNumbers/{country}", self.country),
            route("GET", "/AvailablePhoneNumbers/{country}/{kind}", self.search),
            route("GET", "/IncomingPhoneNumbers", self.list),
            route("POST", "/IncomingPhoneNumbers", self.buy),
            route("GET", "/IncomingPhoneNumbers/{sid}", self.fetch),
            route("POST", "/IncomingPhoneNumbers/{sid}", self.update),
            route("DELETE", "/IncomingPhoneNumbers/{sid}", self.release),
        ]

    async def account(self, request: web.Request, account: Account) -> web.Response:
        about = {
            "sid": account.sid,
            "auth_token": account.auth_token,
            "friendly_name": "Built-in exchange",
            "owner_account_sid": account.sid,
            "status": "active",
            "type": "Full",
            "date_created": rfc2822(now()),
            "date_updated": rfc2822(now()),
            "uri": f"{account.path}.json",
            "subresource_uris": {"calls": f"{account.path}/Calls.json"},
        }
        return json_response(about)

    # --- numbers for sale ---------------------------------------------------------------------------------------------

    async def countries(self, request: web.Request, account: Account) -> web.Response:
        codes = sorted({block.country for block in inventory.BLOCKS})
        rows = [_country(account, code) for code in codes]
        return json_response(page_of(request.path, request.query, "countries", rows, dict))

    async def country(self, request: web.Request, account: Account) -> web.Response:
        code = request.match_info["country"].upper()
        if not any(block.country == code for block in inventory.BLOCKS):
            raise errors.not_found(request.path)
        return json_response(_country(account, code))

    async def search(self, request: web.Request, account: Account) -> web.Response:
        country, kind = request.match_info["country"].upper(), KINDS.get(request.match_info["kind"], "")
        if not any((block.country, block.kind) == (country, kind) for block in inventory.BLOCKS):
            raise errors.not_found(request.path)
        for name in request.query:
            if name not in SEARCH:
                raise errors.not_offered(name)
        found = inventory.search(_query(country, kind, request.query), self._state.taken_numbers)
        wanted = _pattern(request.query.get("Contains", ""))
        rows = [_available(number, block) for number, block in found if wanted.search(number)]
        return json_response(page_of(request.path, request.query, "available_phone_numbers", rows, dict))

    # --- numbers of the account ---------------------------------------------------------------------------------------

    async def list(self, request: web.Request, account: Account) -> web.Response:
        number, name = request.query.get("PhoneNumber", ""), request.query.get("FriendlyName")
        rows = [
            row
            for row in account.numbers()
            if (not number or _pattern(number).search(row["phone_number"])) and name in {None, row["friendly_name"]}
        ]
        return json_response(page_of(request.path, request.query, "incoming_phone_numbers", rows, dict))

    async def buy(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, f"PhoneNumber {UPDATE}", f"{UNOFFERED} AreaCode")
        number = form.text("PhoneNumber")
        block = inventory.block_of(number)
        if block is None:
            raise errors.number_missing()
        if number in self._state.taken_numbers:
            raise errors.number_taken(number)
        if regulation.requirements_of(block.country, block.kind):
            message = "Phone Number Requires an Address but the 'AddressSid' parameter was empty."
            raise TwilioError(400, 21631, message)
        row = incoming_phone_number(account, number, block.kind) | _settings(form)
        self._state.incoming_phone_numbers[number] = row
        self._state.save()
        return json_response(row, 201)

    async def fetch(self, request: web.Request, account: Account) -> web.Response:
        return json_response(_number(request, account))

    async def update(self, request: web.Request, account: Account) -> web.Response:
        row = _number(request, account)
        form = await read_form(request, UPDATE, UNOFFERED)
        row |= _settings(form) | {"date_updated": rfc2822(now())}
        self._state.save()
        return json_response(row)

    async def release(self, request: web.Request, account: Account) -> web.Response:
        del self._state.incoming_phone_numbers[_number(request, account)["phone_number"]]
        self._state.save()
        return web.Response(status=204)


def incoming_phone_number(account: Account, number: str, kind: str = "local") -> Record:
    """The resource of a new number of the account, without a voice URL."""
    sid, moment = new_sid("PN"), rfc2822(now())
    empty = dict.fromkeys(SETTINGS.values(), "")
    methods = {name: "POST" for name in empty if name.endswith("_method")}
    return (
        empty
        | methods
        | {
            "sid": sid,
            "account_sid": account.sid,
            "friendly_name": number,
            "phone_number": number,
            "origin": "twilio",
            "type": kind,
            "api_version": API_VERSION,
            "beta": False,
            "status": "in-use",
            "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
            "address_requirements": "none",
            "address_sid": None,
            "bundle_sid": None,
            "identity_sid": None,
            "trunk_sid": None,
            "emergency_status": "Inactive",
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "voice_caller_id_lookup": False,
            "voice_receive_mode": "voice",
            "date_created": moment,
            "date_updated": moment,
            "uri": f"{account.path}/IncomingPhoneNumbers/{sid}.json",
            "subresource_uris": {},
        }
    )


def _settings(form: Form) -> Record:
    """The settings in a body. Raises TwilioError."""
    changes: Record = {}
    for name, key in SETTINGS.items():
        if name not in form:
            continue
        if name.endswith("Url") or name == "StatusCallback":
            changes[key] = form.url(name)
        elif name.endswith("Method"):
            changes[key] = form.method(name)
        elif name == "VoiceCallerIdLookup":
            changes[key] = form.flag(name)
        else:
            changes[key] = form.text(name)
    return changes


def _number(request: web.Request, account: Account) -> Record:
    for row in account.numbers():
        if row["sid"] == request.match_info["sid"]:
            return row
    raise errors.not_found(request.path)


def _country(account: Account, code: str) -> dict[str, Any]:
    path = f"{account.path}/AvailablePhoneNumbers/{code}"
    kinds = {block.kind for block in inventory.BLOCKS if block.country == code}
    resources = {kind: f"{path}/{name}.json" for name, kind in KINDS.items() if kind in kinds}
    return {"country_code": code, "country": code, "beta": False, "uri": f"{path}.json", "subresource_uris": resources}


def _query(country: str, kind: str, query: Any) -> inventory.Query:
    return inventory.Query(
        country_code=country,
        phone_number_type=kind,
        national_destination_code=query.get("AreaCode", ""),
        locality=query.get("InLocality", ""),
        administrative_area=query.get("InRegion", ""),
        features=tuple(feature for name, feature in FEATURES.items() if query.get(name, "").lower() == "true"),
        limit=MAX_RESULTS,
    )


def _pattern(text: str) -> re.Pattern[str]:
    """`*` matches any digit, everything else itself. Raises TwilioError."""
    if not re.fullmatch(r"[+0-9*]*", text):
        raise errors.invalid("Contains", "digits, + and * only")
    return re.compile(re.escape(text).replace(r"\*", r"\d"))


def _available(number: str, block: Block) -> dict[str, Any]:
    is_regulated = bool(regulation.requirements_of(block.country, block.kind))
    return {
        "friendly_name": number,
        "phone_number": number,
        "lata": None,
        "rate_center": block.city or None,
        "locality": block.city.title() or None,
        "region": block.region or None,
        "latitude": None,
        "longitude": None,
        "postal_code": None,
        "iso_country": block.country,
        "address_requirements": "local" if is_regulated else "none",
        "beta": False,
        "capabilities": {
            "voice": "voice" in block.features,
            "SMS": "sms" in block.features,
            "MMS": "mms" in block.features,
            "fax": "fax" in block.features,
        },
    }
