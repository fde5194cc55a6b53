"""/api/v1/countries: which countries' numbers a developer can hold, and submitting documents."""

import re
from typing import Any, cast

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from bubblyphone.core.api.error_responses import WHOLE_BODY
from bubblyphone.core.api.json_bodies import AnyJSONParser
from bubblyphone.core.api.views import StrictSerializer, data, validated_query
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from phone_numbers import countries
from phone_numbers.api.responses import COUNTRY, SUBMISSION, VERIFICATION
from phone_numbers.models import NumberType
from phone_numbers.verification import submissions
from phone_numbers.verification.documents import MAX_SUBMISSION_BYTES

# As `curl -F` sends nested fields: documents[0][type], documents[0][file].
_DOCUMENT_FIELD = re.compile(r"documents\[(\d{1,2})\]\[(type|file|value)\]")


class SubmissionTooLarge(ApplicationError):
    status = 413
    code = "too_large"


class NumberTypeQuery(serializers.Serializer[Any]):
    """The query of the two GET endpoints."""

    number_type = serializers.ChoiceField(NumberType.choices, default=NumberType.LOCAL)


class PaperSerializer(StrictSerializer):
    """One of `documents`: a requirement's id and a file, or a text if the requirement accepts one."""

    type = serializers.CharField(max_length=100)
    file = serializers.FileField(required=False)
    value = serializers.CharField(required=False, max_length=2000)


class SubmissionSerializer(StrictSerializer):
    """The form of POST /countries/{code}/verify, with its indexed names combined."""

    number_type = serializers.ChoiceField(NumberType.choices)
    documents = PaperSerializer(many=True, allow_empty=False)


class CountriesView(APIView):
    """GET /countries, not paginated."""

    def get(self, request: Request) -> Response:
        return data([COUNTRY.of(eligibility) for eligibility in countries.list_eligibilities(signed_in(request))])


class RequirementsView(APIView):
    """GET /countries/{code}/requirements."""

    def get(self, request: Request, code: str) -> Response:
        return data(countries.get_requirements(country=code.upper(), number_type=_number_type(request)))


class VerifyView(APIView):
    """POST /countries/{code}/verify, multipart/form-data."""

    parser_classes = [MultiPartParser, AnyJSONParser]

    def post(self, request: Request, code: str) -> Response:
        body = SubmissionSerializer(data=_read_form(request))
        body.is_valid(raise_exception=True)
        submitted = submissions.submit(
            developer=signed_in(request),
            country=code.upper(),
            number_type=body.validated_data["number_type"],
            answers=[
                submissions.SubmittedAnswer(document["type"], document.get("file"), document.get("value", ""))
                for document in body.validated_data["documents"]
            ],
        )
        return data(SUBMISSION.of(submitted), status=201)


class VerificationView(APIView):
    """GET /countries/{code}/verification."""

    def get(self, request: Request, code: str) -> Response:
        developer = signed_in(request)
        number_type = _number_type(request)
        return data(
            VERIFICATION.of(
                countries.get_eligibility(developer=developer, country=code.upper(), number_type=number_type)
            )
        )


def _number_type(request: Request) -> str:
    return str(validated_query(NumberTypeQuery, request)["number_type"])


def _read_form(request: Request) -> dict[str, Any]:
    """`documents[0][type]=…` as `{"documents": [{"type": …}]}`; other names unchanged. Raises InvalidRequest, SubmissionTooLarge."""
    if not (request.content_type or "").startswith("multipart/form-data"):
        raise InvalidRequest({WHOLE_BODY: ["Send the documents as multipart/form-data."]})
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_SUBMISSION_BYTES:
        raise SubmissionTooLarge("The documents are too large. The maximum is 64 MiB in total.")
    form: dict[str, Any] = {}
    documents: dict[int, dict[str, Any]] = {}
    for name, value in cast(QueryDict, request.data).items():
        if match := _DOCUMENT_FIELD.fullmatch(name):
            documents.setdefault(int(match[1]), {})[match[2]] = value
        else:
            form[name] = value
    if documents:
        form["documents"] = [documents[index] for index in sorted(documents)]
    return form
