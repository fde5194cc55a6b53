"""Rates are edited here. The ledger is read-only and corrected with adjustments."""

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.access import signed_in
from billing import caps
from billing.adjustments import adjust
from billing.billing_switch import is_on
from billing.exports import rates_csv
from billing.models import Adjustment, Booking, LedgerEntry, MeteredCost, SpendingCap, TelephonyRate
from billing.payments import admin as payment_admin
from billing.rate_import import import_rates
from billing.switched_admin import BillingAdmin, MeteringAdmin
from bubblyphone.core.admin import EditableListAdmin, GrowingListAdmin, ReadOnlyAdmin
from bubblyphone.core.errors import InvalidRequest

__all__ = ["payment_admin"]

# The admin page of the object that an entry is for (`LedgerEntry.about`).
PAGES = {
    "call": "calls_call",
    "number": "numbers_phonenumber",
    "payment": "billing_payment",
    "adjustment": "billing_adjustment",
}
LIMITS = ["daily_cap", "max_concurrent_calls", "max_calls_per_caller_per_hour"]
CEILINGS = list(caps.CEILINGS.values())
MAX_FILE_BYTES = 1024 * 1024


class RatesImportForm(forms.Form):
    """A rate table as a CSV file; `clean` imports it and stores the changed rates in `changed`."""

    file = forms.FileField(help_text="A UTF-8 CSV file in the format of “Export”, at most 1 MiB.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError("The file is too large. The maximum is 1 MiB.")
        try:
            self.changed = import_rates(file.read().decode(), timezone.now())
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is not UTF-8 text. Save it as UTF-8 and upload it again.") from error
        except InvalidRequest as error:
            texts = [f"{place}: {text}" for place, found in error.errors.items() for text in found]
            raise forms.ValidationError(texts) from error
        return file


@admin.register(TelephonyRate)
class TelephonyRateAdmin(EditableListAdmin):
    """To change a price, add a row with a later `valid_from` or edit the row. A call keeps the rate it started with."""

    list_display = ["prefix", "direction", "price_per_minute", "description", "valid_from"]
    list_editable = ["price_per_minute"]
    list_filter = ["direction"]
    search_fields = ["prefix", "description"]
    ordering = ["direction", "prefix", "-valid_from"]
    change_list_template = "billing/admin_rates.html"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("export/", self.admin_site.admin_view(self.export_csv), name="billing_telephonyrate_export"),
            path("import/", self.admin_site.admin_view(self.import_csv), name="billing_telephonyrate_import"),
        ]
        return own + super().get_urls()

    def export_csv(self, request: HttpRequest) -> HttpResponse:
        """Export the whole table."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return rates_csv(TelephonyRate.objects.all())

    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Import a table, all rows or none; every changed rate is logged."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = RatesImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            for rate in form.changed:
                self.log_change(
                    request, rate, f"Imported: {rate.price_per_minute}, valid from {rate.valid_from:%Y-%m-%d %H:%M}"
                )
            messages.success(request, f"{len(form.changed)} rates added or updated.")
            return HttpResponseRedirect(reverse("admin:billing_telephonyrate_changelist"))
        context = {**self.admin_site.each_context(request), "form": form, "title": "Import rates", "opts": self.opts}
        return render(request, "billing/admin_rates_import.html", context)


@admin.register(SpendingCap)
class SpendingCapAdmin(admin.ModelAdmin[SpendingCap]):
    """Limits of accounts; numbers, agents and API keys have their own.

    The values that staff set here are also the account's maximums.
    """

    list_display = ["developer", *LIMITS, *CEILINGS]
    list_select_related = ["developer"]
    search_fields = ["developer__email"]
    raw_id_fields = ["developer"]
    fieldsets = [
        (
            None,
            {"fields": ["developer", *LIMITS], "description": "A limit set here is also the account's maximum."},
        ),
        (
            "Account maximums",
            {
                "fields": [*CEILINGS],
                "description": "The highest limits the account can set. Leave empty for no maximum.",
            },
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: SpendingCap | None = None) -> list[str]:
        return ["developer", *CEILINGS] if obj else CEILINGS

    def save_model(self, request: HttpRequest, obj: SpendingCap, form: Any, change: bool) -> None:
        caps.set_ceilings(obj, form.changed_data)
        super().save_model(request, obj, form, change)


class _BookingAdmin(GrowingListAdmin):
    """The list of bookings, linked to the objects they are for."""

    list_display = ["id", "developer", "kind", "amount", "description", "what_for", "created_at"]
    list_select_related = ["developer"]
    list_filter = ["kind"]
    lookups = ("key__startswith",)
    ordering = ["-id"]

    @admin.display(description="for", ordering="key")
    def what_for(self, booking: Booking) -> str:
        return _link_to(booking)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(_BookingAdmin, BillingAdmin):
    """Credits and charges."""


@admin.register(MeteredCost)
class MeteredCostAdmin(_BookingAdmin, MeteringAdmin):
    """Costs that would have been charged."""


def _link_to(booking: Booking) -> str:
    family, about = booking.about
    if not family:
        return booking.key
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{PAGES[family]}_change", args=[about]), booking.key)


class AdjustmentForm(forms.ModelForm[Adjustment]):
    class Meta:
        model = Adjustment
        fields = ["developer", "amount", "reason", "reference"]
        widgets = {"reference": forms.HiddenInput}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reference"].initial = uuid.uuid4


@admin.register(Adjustment)
class AdjustmentAdmin(BillingAdmin):
    """The only way to correct a balance: a new entry with a reason and the name of its author."""

    list_display = ["id", "developer", "amount", "reason", "staff", "created_at"]
    list_select_related = ["developer", "staff"]
    search_fields = ["developer__email", "reason"]
    ordering = ["-id"]
    form = AdjustmentForm
    fields = ["developer", "amount", "reason", "reference"]
    raw_id_fields = ["developer"]

    def get_fields(self, request: HttpRequest, obj: Adjustment | None = None) -> list[Any]:
        return [name for name in super().get_fields(request, obj) if obj is None or name != "reference"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_on() and super(ReadOnlyAdmin, self).has_add_permission(request)

    def save_model(self, request: HttpRequest, obj: Adjustment, form: Any, change: bool) -> None:
        made = adjust(
            developer=obj.developer,
            amount=obj.amount,
            reason=obj.reason,
            staff=signed_in(request),
            reference=obj.reference,
        )
        # The admin uses the form's object afterwards, to log it and to redirect to it.
        obj.pk, obj.staff, obj.created_at = made.pk, made.staff, made.created_at
