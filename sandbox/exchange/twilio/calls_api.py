"""REST: Calls, and the Notifications about them (https://www.twilio.com/docs/voice/api/call-resource)."""

from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any

from aiohttp import web

from sandbox.exchange.handsets.answerers import UNALLOCATED_NUMBER
from sandbox.exchange.http import json_response
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.calls import Call, StatusCallback
from sandbox.exchange.twilio.detection import Detection
from sandbox.exchange.twilio.forms import Form, read_form
from sandbox.exchange.twilio.http import route
from sandbox.exchange.twilio.recordings import RecordRequest
from sandbox.exchange.twilio.twiml import Source
from sandbox.exchange.twilio.values import page_of
from sandbox.exchange.validation import E164

EVENTS = ("initiated", "ringing", "answered", "completed")
_DOCUMENT = "Url Method FallbackUrl FallbackMethod Twiml"
UPDATE = f"{_DOCUMENT} Status StatusCallback StatusCallbackMethod TimeLimit"
CREATE = (
    f"{_DOCUMENT} To From Timeout TimeLimit SendDigits CallerId CallReason"
    " StatusCallback StatusCallbackMethod StatusCallbackEvent"
    " MachineDetection MachineDetectionTimeout MachineDetectionSpeechThreshold MachineDetectionSpeechEndThreshold"
    " MachineDetectionSilenceTimeout AsyncAmd AsyncAmdStatusCallback AsyncAmdStatusCallbackMethod"
    " Record RecordingChannels RecordingStatusCallback RecordingStatusCallbackMethod RecordingStatusCallbackEvent"
)
CREATE_UNOFFERED = "ApplicationSid Byoc CallToken RecordingTrack SipAuthPassword SipAuthUsername Trim"
DEFAULT_TIMEOUT = 60
FILTERS = {"To": "to", "From": "from", "ParentCallSid": "parent_call_sid", "Status": "status"}


class CallsApi:
    """Handlers by resource and method."""

    def routes(self) -> list[web.RouteDef]:
        return [
            route("POST", "/Calls", self.create),
            route("GET", "/Calls", self.list),
            route("GET", "/Calls/{sid}", self.fetch),
            route("POST", "/Calls/{sid}", self.update),
            route("GET", "/Calls/{sid}/Notifications", self.notifications),
            route("GET", "/Notifications", self.notifications),
        ]

    async def create(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, CREATE, CREATE_UNOFFERED)
        to_number, from_number = _parties(form, account)
        recording = RecordRequest.of_form(form, "OutboundAPI") if form.flag("Record") else None
        call = Call(
            account=account,
            direction="outbound-api",
            first=_document(form),
            callback=_status_callback(form),
            detection=_detection(form),
            handset=account.switch.phone_at(to_number),
            from_number=from_number,
            to_number=to_number,
            send_digits=form.text("SendDigits"),
            time_limit_seconds=form.number("TimeLimit", 14400, 1, 86400),
            record_on_answer=recording,
        )
        refusal = "not_found" if to_number == UNALLOCATED_NUMBER else ""
        response = json_response(call.describe(), 201)
        call.begin_soon(form.number("Timeout", DEFAULT_TIMEOUT, 1, 600), refusal)
        return response

    async def list(self, request: web.Request, account: Account) -> web.Response:
        rows = [row for row in account.call_resources() if _matches(row, request.query)]
        return json_response(page_of(request.path, request.query, "calls", rows, dict))

    async def fetch(self, request: web.Request, account: Account) -> web.Response:
        sid = request.match_info["sid"]
        if sid in account.past_calls:
            return json_response(account.past_calls[sid])
        return json_response(live_call(request, account).describe())

    async def update(self, request: web.Request, account: Account) -> web.Response:
        form = await read_form(request, UPDATE)
        if request.match_info["sid"] in account.past_calls:
            raise errors.not_in_progress()
        call = live_call(request, account)
        status = form.choice("Status", ("canceled", "completed"), "")
        if call.final_status:
            raise errors.not_in_progress()
        if "StatusCallback" in form:
            call.callback = StatusCallback(form.url("StatusCallback"), form.method("StatusCallbackMethod"))
        if "TimeLimit" in form:
            call.leg.later(form.number("TimeLimit", 14400, 1, 86400), call.leg.hang_up)
        if status:
            if status == "canceled" and call.status == "in-progress":
                raise errors.invalid_status()
            call.cancel()
        elif "Url" in form or "Twiml" in form:
            if call.status != "in-progress":
                raise errors.not_in_progress()
            call.redirect(_document(form))
        return json_response(call.describe())

    async def notifications(self, request: web.Request, account: Account) -> web.Response:
        sid = request.match_info.get("sid")
        rows = [row for row in account.notifications if sid in {None, row["call_sid"]}]
        return json_response(page_of(request.path, request.query, "notifications", rows, dict))


def live_call(request: web.Request, account: Account) -> Call:
    """The call in the path, which is live or has ended recently. Raises TwilioError."""
    call = account.calls.get(request.match_info["sid"])
    if call is None:
        raise errors.not_found(request.path)
    return call


def _parties(form: Form, account: Account) -> tuple[str, str]:
    to_number, from_number = form.text("To"), form.text("From")
    if not to_number:
        raise errors.missing_to()
    if not from_number:
        raise errors.missing_from()
    if not E164.fullmatch(to_number):
        raise errors.invalid_to(to_number)
    if not account.owns(from_number):
        raise errors.foreign_from(from_number)
    return to_number, from_number


def _document(form: Form) -> Source:
    """The document of a request. Raises TwilioError if there is none."""
    if form.text("Twiml"):
        return Source(text=form.text("Twiml"))
    if not form.text("Url"):
        raise errors.missing_url()
    return Source(
        form.url("Url"),
        form.method("Method"),
        fallback_url=form.url("FallbackUrl"),
        fallback_method=form.method("FallbackMethod"),
    )


def _status_callback(form: Form) -> StatusCallback:
    events = form.all("StatusCallbackEvent") or ("completed",)
    if not set(events) <= set(EVENTS):
        raise errors.invalid("StatusCallbackEvent", f"may only contain {', '.join(EVENTS)}")
    return StatusCallback(form.url("StatusCallback"), form.method("StatusCallbackMethod"), events)


def _detection(form: Form) -> Detection | None:
    mode = form.choice("MachineDetection", ("Enable", "DetectMessageEnd"), "")
    if not mode:
        return None
    return Detection(
        "Enable" if mode == "Enable" else "DetectMessageEnd",
        form.number("MachineDetectionTimeout", 30, 3, 59),
        is_async=form.flag("AsyncAmd"),
        callback_url=form.url("AsyncAmdStatusCallback"),
        callback_method=form.method("AsyncAmdStatusCallbackMethod"),
    )


def _matches(row: dict[str, Any], query: Any) -> bool:
    """Whether a call matches the list's filters: parties, status, and the dates or times of start and end."""
    for name, key in FILTERS.items():
        if query.get(name) not in {None, "", row[key]}:
            return False
    return _in_time(row["start_time"], query, "StartTime") and _in_time(row["end_time"], query, "EndTime")


def _in_time(text: str | None, query: Any, name: str) -> bool:
    moment = "" if text is None else parsedate_to_datetime(text).strftime("%Y-%m-%dT%H:%M:%SZ")
    for suffix, is_right in (("", moment.startswith), ("<", moment.__le__), (">", moment.__ge__)):
        wanted = query.get(name + suffix)
        if wanted and (not moment or not is_right(wanted if suffix != "<" else _end_of(wanted))):
            return False
    return True


def _end_of(wanted: str) -> str:
    """The end of a day, if the filter is a date."""
    try:
        date.fromisoformat(wanted)
    except ValueError:
        return wanted
    return f"{wanted}T23:59:59Z"
