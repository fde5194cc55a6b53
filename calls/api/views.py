"""Calls over the API."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import api_key_of, name_of
from accounts.models import ApiKey, Developer
from agents.selectors import get_agent, get_model_key
from bubblyphone.core.api.views import (
    PAGE_PARAMETERS,
    NewestFirstPagination,
    OldestFirstPagination,
    data,
    page_of,
    validated,
    validated_query,
)
from bubblyphone.core.database.prepared_queries import PreparedList
from bubblyphone.core.errors import Conflict, InvalidRequest, NotFound
from calls import diagnosis, selectors
from calls.api.responses import ATTEMPT, CALL, CALL_DETAIL, DIAGNOSIS, EVENT, TRANSCRIPT, TURN
from calls.api.serializers import (
    CallFilters,
    CallSerializer,
    ContextSerializer,
    SpeakSerializer,
    TransferSerializer,
)
from calls.control import outbound, running_calls
from calls.models import Call, Transcription
from phone_numbers.selectors import numbers_of

LISTED = CALL.columns(Call, "carrier")


def _listed(calls: QuerySet[Call]) -> QuerySet[Call]:
    """A call has about sixty columns, its number and agent as many again; the list needs none of the latter."""
    return calls.select_related(None).only(*LISTED)


_CALLS = PreparedList(lambda developer: _listed(selectors.calls_of(developer)))


class CallsView(APIView):
    """POST /calls, GET /calls."""

    def get(self, request: Request) -> Response:
        if request.query_params.keys() <= PAGE_PARAMETERS:  # no filters
            return page_of(request, _CALLS.of(signed_in(request).pk), CALL.of)
        filters = validated_query(CallFilters, request)
        every = selectors.calls_of(signed_in(request))
        calls = apply_filters(every, filters)
        # For a period, PostgreSQL finds calls by their start; by id it would scan back from the newest one.
        is_period = not filters.keys().isdisjoint(("date_from", "date_to"))
        paginator = NewestFirstPagination("started_at" if is_period else "", every)
        return page_of(request, _listed(calls), CALL.of, paginator)

    def post(self, request: Request) -> Response:
        body = validated(CallSerializer, request)
        call = create_call(signed_in(request), body, api_key_of(request))
        return data(CALL.of(call), status=201)


class CallView(APIView):
    """GET /calls/{id}."""

    def get(self, request: Request, identifier: str) -> Response:
        return data(CALL_DETAIL.of(selectors.get_call(signed_in(request), identifier)))


class DiagnosisView(APIView):
    """GET /calls/{id}/diagnosis."""

    def get(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        return data(DIAGNOSIS.of(diagnosis.explain(call)))


class HangupView(APIView):
    """POST /calls/{id}/hangup."""

    def post(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        running_calls.hang_up(call=call)
        call.refresh_from_db()
        return data(CALL.of(call))


class SpeakView(APIView):
    """POST /calls/{id}/speak."""

    def post(self, request: Request, identifier: str) -> Response:
        body = validated(SpeakSerializer, request)
        call = selectors.get_call(signed_in(request), identifier)
        running_calls.speak(call=call, text=body["text"])
        return data(CALL.of(call))


class TransferView(APIView):
    """POST /calls/{id}/transfer."""

    def post(self, request: Request, identifier: str) -> Response:
        body = validated(TransferSerializer, request)
        call = selectors.get_call(signed_in(request), identifier)
        running_calls.transfer(call=call, to=body["to"], briefing=body["briefing"])
        return data(CALL.of(call))


class ContextView(APIView):
    """POST /calls/{id}/context. The response has no `data` envelope."""

    def post(self, request: Request, identifier: str) -> Response:
        body = validated(ContextSerializer, request)
        running_calls.inject_context(
            call=selectors.get_call(signed_in(request), identifier), message=body["message"], by=name_of(request)
        )
        return Response({"status": "delivered"})


class TranscriptView(APIView):
    """GET /calls/{id}/transcript: after the call has ended."""

    def get(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        if not call.is_over:
            raise Conflict("The transcript is available after the call ends.", code="call_running")
        work = Transcription.objects.filter(call=call).first() or Transcription(call=call)
        return data(TRANSCRIPT.of(work, transcript=call.transcript.all()))


class EventsView(APIView):
    """GET /calls/{id}/events, oldest first."""

    def get(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        return page_of(request, call.events.all(), EVENT.of, OldestFirstPagination("event_timestamp"))


class TurnsView(APIView):
    """GET /calls/{id}/turns, oldest first."""

    def get(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        return page_of(request, call.turns.all(), TURN.of, OldestFirstPagination("answered_at"))


class WebhookLogsView(APIView):
    """GET /calls/{id}/webhook-logs, oldest first: every attempt."""

    def get(self, request: Request, identifier: str) -> Response:
        call = selectors.get_call(signed_in(request), identifier)
        return page_of(request, selectors.webhook_attempts(call), ATTEMPT.of, OldestFirstPagination("created_at"))


def apply_filters(calls: QuerySet[Call], chosen: dict[str, Any]) -> QuerySet[Call]:
    """Narrow a list of calls by validated filters."""
    for name in ("direction", "status", "phone_number_id", "agent_id", "sandbox", "voicemail_detected", "outcome"):
        if chosen.get(name) is not None:
            calls = calls.filter(**{name: chosen[name]})
    if "date_from" in chosen:
        calls = calls.filter(started_at__gte=chosen["date_from"])
    if "date_to" in chosen:
        calls = calls.filter(started_at__lte=chosen["date_to"])
    if "metadata" in chosen:
        calls = calls.filter(metadata__contains=chosen["metadata"])
    return calls


def create_call(developer: Developer, body: dict[str, Any], api_key: ApiKey | None = None) -> Call:
    """Resolve the ids and numbers in a request to objects, and dial."""
    number = numbers_of(developer).filter(e164=body.pop("from")).first()
    if number is None:
        raise InvalidRequest({"from": ["This is not one of your phone numbers."]})
    try:
        agent_id = body.pop("agent_id", None)
        agent = get_agent(developer=developer, pk=agent_id) if agent_id else None
    except NotFound:
        raise InvalidRequest({"agent_id": ["This agent does not exist."]}) from None
    try:
        if body.get("model_key_id"):
            get_model_key(developer=developer, pk=body["model_key_id"])
    except NotFound:
        raise InvalidRequest({"model_key_id": ["This model key does not exist."]}) from None
    mode = body.pop("mode", None) or number.mode
    call = outbound.begin_call(
        developer=developer,
        number=number,
        to=body.pop("to"),
        mode=mode,
        request=body,
        agent=agent,
        metadata=body.pop("metadata", {}),
        api_key=api_key,
    )
    outbound.dial(call)
    return call
