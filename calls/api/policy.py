"""/api/v1/policy and /api/v1/do-not-call: which numbers the account may call."""

import re
from typing import Any

import phonenumbers
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from agents.serializers import PhoneNumberField
from bubblyphone.core.api.raw_files import RawFileParser
from bubblyphone.core.api.views import StrictSerializer, data, page_of, validated, validated_query
from bubblyphone.core.errors import InvalidRequest
from calls.api.policy_responses import DO_NOT_CALL, POLICY
from calls.models import DoNotCallNumber
from calls.policy import services
from calls.policy.calling_hours import DAYS

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_SOURCE = DoNotCallNumber.Source.API


class CallingHoursSerializer(StrictSerializer):
    """Hours of the day, and perhaps days of the week."""

    start = serializers.RegexField(_CLOCK, max_length=5)
    end = serializers.RegexField(_CLOCK, max_length=5)
    days = serializers.ListField(
        child=serializers.ChoiceField(choices=DAYS), allow_empty=False, max_length=7, required=False
    )

    def validate_days(self, days: list[str]) -> list[str]:
        return sorted(set(days), key=DAYS.index)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["start"] == attrs["end"]:
            raise serializers.ValidationError({"end": ["Choose a time other than the start."]})
        return {"days": list(DAYS), **attrs}


class PolicySerializer(StrictSerializer):
    """The body of PUT /policy. Omitted fields stay unchanged."""

    allowed_countries = serializers.ListField(
        child=serializers.CharField(max_length=2), required=False, allow_null=True, max_length=300
    )
    calling_hours = CallingHoursSerializer(required=False, allow_null=True)
    max_calls_per_number_per_day = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=1000
    )

    def validate_allowed_countries(self, codes: list[str] | None) -> list[str] | None:
        if codes is None:
            return None
        if unknown := [code for code in codes if code not in phonenumbers.SUPPORTED_REGIONS]:
            raise serializers.ValidationError(f"Unknown country code: {', '.join(unknown)}.")
        return sorted(set(codes))


class DoNotCallSerializer(StrictSerializer):
    """The body of POST /do-not-call."""

    phone_number = PhoneNumberField(required=True, allow_null=False, allow_blank=False, max_length=20)
    reason = serializers.CharField(max_length=services.MAX_REASON, required=False, allow_blank=True, default="")


class DoNotCallFilters(serializers.Serializer[Any]):
    """GET /do-not-call."""

    phone_number = serializers.CharField(max_length=20, required=False)
    format = serializers.ChoiceField(choices=["json", "csv"], required=False)


class CsvParser(RawFileParser):
    """CSV as the body."""

    media_type = "text/csv"
    max_bytes = services.MAX_FILE_BYTES


class PolicyView(AdminKeyView):
    """GET and PUT /policy."""

    def get(self, request: Request) -> Response:
        return data(POLICY.of(services.policy_of(signed_in(request))))

    def put(self, request: Request) -> Response:
        changes = validated(PolicySerializer, request)
        return data(POLICY.of(services.set_policy(developer=signed_in(request), changes=changes)))


class DoNotCallView(APIView):
    """GET and POST /do-not-call."""

    def get(self, request: Request) -> Response | HttpResponse:
        chosen = validated_query(DoNotCallFilters, request)
        is_file = chosen.pop("format", "json") == "csv"
        rows = services.numbers_of(signed_in(request)).filter(**chosen)
        if is_file:
            return services.csv_of(rows)
        return page_of(request, rows, DO_NOT_CALL.of)

    def post(self, request: Request) -> Response:
        body = validated(DoNotCallSerializer, request)
        entry = services.add(developer_id=signed_in(request).pk, source=_SOURCE, **body)
        return data(DO_NOT_CALL.of(entry), status=201)


class DoNotCallEntryView(AdminKeyView):
    """DELETE /do-not-call/{id}."""

    def delete(self, request: Request, pk: int) -> Response:
        services.remove(developer=signed_in(request), pk=pk)
        return Response(status=204)


class DoNotCallImportView(APIView):
    """POST /do-not-call/import: text/csv, or multipart with a `file`."""

    parser_classes = [CsvParser, MultiPartParser]

    def post(self, request: Request) -> Response:
        file = request.data.get("file") if hasattr(request.data, "get") else None
        if file is None or isinstance(file, str):  # a form field that is not a file
            raise InvalidRequest({"file": ["Send CSV as the body (text/csv), or as the file of a multipart form."]})
        content = file if isinstance(file, bytes) else file.read(services.MAX_FILE_BYTES + 1)
        return data(services.import_csv(developer=signed_in(request), content=content, source=_SOURCE))
