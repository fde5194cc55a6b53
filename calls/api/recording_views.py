"""The recording and analysis of an ended call, and how long recordings are kept."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import retention
from accounts.access import signed_in
from bubblyphone.core.api.views import StrictSerializer, data, validated
from bubblyphone.core.errors import Conflict, NotFound
from calls import selectors
from calls.after_call import analysis, recording_access
from calls.api.responses import ANALYSIS, RECORDING
from calls.models import Analysis, Call


class RecordingView(APIView):
    """GET, DELETE /calls/{id}/recording."""

    def get(self, request: Request, identifier: str) -> Response:
        recording = recording_access.get_recording(selectors.get_call(signed_in(request), identifier))
        signed = recording_access.signed_url(recording)
        return data(RECORDING.of(recording, recording_url=signed.url, expires_at=signed.expires_at))

    def delete(self, request: Request, identifier: str) -> Response:
        recording_access.delete(selectors.get_call(signed_in(request), identifier))
        return Response(status=204)


class AnalysisView(APIView):
    """GET /calls/{id}/analysis."""

    def get(self, request: Request, identifier: str) -> Response:
        return data(analysis_data(selectors.get_call(signed_in(request), identifier)))


def analysis_data(call: Call) -> dict[str, Any]:
    """The analysis of a call. Raises NotFound where none is asked for, Conflict before the call has ended."""
    if not analysis.schema_of(call):
        raise NotFound("The agent of this call has no analysis schema.", code="no_analysis_schema")
    if not call.is_over:
        raise Conflict("The analysis is available after the call.", code="call_running")
    work = analysis.find(call)
    if work is None and call.answered_at is None:
        raise NotFound("This call was not answered, so there is nothing to analyze.", code="call_not_answered")
    return ANALYSIS.of(work or Analysis(call=call), result=call.analysis_result)


class RecordingRetentionSerializer(StrictSerializer):
    """The body of PUT /recording-retention."""

    days = serializers.IntegerField(min_value=1, max_value=retention.MAX_DAYS, allow_null=True)


class RecordingRetentionView(APIView):
    """GET, PUT /recording-retention."""

    def get(self, request: Request) -> Response:
        return data({"days": retention.periods_of(signed_in(request))["recordings"]})

    def put(self, request: Request) -> Response:
        body = validated(RecordingRetentionSerializer, request)
        retention.set_periods(signed_in(request), {"recordings": body["days"]})
        return data({"days": body["days"]})
