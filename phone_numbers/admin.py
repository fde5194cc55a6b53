"""Prices are edited here; numbers and purchases are read-only. Verifications are decided in `verification_admin`."""

from django.contrib import admin

from bubblyphone.core.admin import EditableListAdmin, ReadOnlyAdmin
from phone_numbers.models import NumberPrice, NumberPurchase, PhoneNumber
from phone_numbers.verification.verification_admin import VerificationAdmin

__all__ = ["NumberPriceAdmin", "NumberPurchaseAdmin", "PhoneNumberAdmin", "VerificationAdmin"]


@admin.register(NumberPrice)
class NumberPriceAdmin(EditableListAdmin):
    """Only listed types of numbers are sold."""

    list_display = ["country_code", "number_type", "setup_cost", "monthly_cost"]
    list_editable = ["setup_cost", "monthly_cost"]
    list_filter = ["number_type"]
    search_fields = ["country_code"]


@admin.register(PhoneNumber)
class PhoneNumberAdmin(ReadOnlyAdmin):
    list_display = ["e164", "developer", "country_code", "number_type", "status", "mode", "created_at"]
    list_select_related = ["developer"]
    list_filter = ["status", "mode", "country_code"]
    search_fields = ["e164", "developer__email", "label"]
    exclude = ["signing_secret"]


@admin.register(NumberPurchase)
class NumberPurchaseAdmin(ReadOnlyAdmin):
    list_display = ["e164", "developer", "status", "setup_cost", "monthly_cost", "reference", "created_at"]
    list_select_related = ["developer"]
    list_filter = ["status"]
    search_fields = ["e164", "developer__email", "reference"]
