"""What staff see only with billing on, or only without (`billing.billing_switch`)."""

from django.http import HttpRequest

from billing.billing_switch import is_on
from bubblyphone.core.admin import ReadOnlyAdmin


class BillingAdmin(ReadOnlyAdmin):
    """Payments and charges."""

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return is_on() and super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_on() and super().has_module_permission(request)


class MeteringAdmin(ReadOnlyAdmin):
    """Replaces charges with billing off."""

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return not is_on() and super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return not is_on() and super().has_module_permission(request)
