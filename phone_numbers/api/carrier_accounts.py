"""/api/v1/carrier-accounts: developers' own accounts at carriers, and POST /phone-numbers/import."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView, require_admin_key_to_change
from agents.serializers import MAX_ID, PhoneNumberField
from bubblyphone.core.api.views import data, page_of, validated
from bubblyphone.core.database.prepared_queries import PreparedList
from phone_numbers import carrier_accounts, imports
from phone_numbers.api.responses import BOUGHT_NUMBER, CARRIER_ACCOUNT
from phone_numbers.api.serializers import CarrierAccountSerializer, CarrierAccountUpdateSerializer
from phone_numbers.api.update import NumberUpdateSerializer
from phone_numbers.configuration import CAP_FIELDS, variable_warnings
from phone_numbers.models import PhoneNumber
from webhooks.sending.signing import signing_keys

_ACCOUNTS = PreparedList(carrier_accounts.accounts_of)


class CarrierAccountsView(AdminKeyView):
    """GET and POST /carrier-accounts."""

    def get(self, request: Request) -> Response:
        return page_of(request, _ACCOUNTS.of(signed_in(request).pk), CARRIER_ACCOUNT.of)

    def post(self, request: Request) -> Response:
        body = validated(CarrierAccountSerializer, request)
        account = carrier_accounts.create_account(developer=signed_in(request), **body)
        return data(CARRIER_ACCOUNT.of(account), status=201)


class CarrierAccountView(AdminKeyView):
    """GET, PATCH and DELETE /carrier-accounts/{id}."""

    def get(self, request: Request, pk: int) -> Response:
        account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
        return data(CARRIER_ACCOUNT.of(account))

    def patch(self, request: Request, pk: int) -> Response:
        account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
        changes = validated(CarrierAccountUpdateSerializer, request)
        return data(CARRIER_ACCOUNT.of(carrier_accounts.update_account(account, **changes)))

    def delete(self, request: Request, pk: int) -> Response:
        carrier_accounts.delete_account(carrier_accounts.get_account(developer=signed_in(request), pk=pk))
        return Response(status=204)


class CheckCarrierAccountView(AdminKeyView):
    """POST /carrier-accounts/{id}/test."""

    def post(self, request: Request, pk: int) -> Response:
        account = carrier_accounts.get_account(developer=signed_in(request), pk=pk)
        return data(CARRIER_ACCOUNT.of(carrier_accounts.check_account(account)))


class NumberImportSerializer(NumberUpdateSerializer):
    """The body of POST /phone-numbers/import: the number, where it is, and whatever PATCH takes."""

    phone_number = PhoneNumberField(required=True, allow_null=False, allow_blank=False, max_length=20)
    carrier = serializers.CharField(required=False, max_length=20)
    carrier_account_id = serializers.IntegerField(required=False, min_value=1, max_value=MAX_ID)


class ImportView(APIView):
    """POST /phone-numbers/import."""

    def post(self, request: Request) -> Response:
        fields: dict[str, Any] = validated(NumberImportSerializer, request)
        place = {name: fields.pop(name) for name in ("phone_number", "carrier", "carrier_account_id") if name in fields}
        require_admin_key_to_change(CAP_FIELDS, PhoneNumber(), fields, request)
        developer = signed_in(request)
        number = imports.import_number(developer=developer, configuration_fields=fields, **place)
        shown = BOUGHT_NUMBER.of(number, webhook_secret=signing_keys(number.signing_secret).current)
        return data(shown, status=201, warnings=variable_warnings(number))
