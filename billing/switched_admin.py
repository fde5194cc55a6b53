"""What staff see only with billing on, or only without (`billing.billing_switch`)."""

from django.http import HttpRequest

from billing.billing_switch import is_on
from bubblyphone.core.admin import ReadOnlyAdmin


class BillingAdmin(ReadOnlyAdmin):
    """Payments and charges."""

    with_billing = True

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return is_on() is self.with_billing and super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_on() is self.with_billing and super().has_module_permission(request)


class MeteringAdmin(BillingAdmin):
    """Replaces charges with billing off."""

    with_billing = False
