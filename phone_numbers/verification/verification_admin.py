"""The review queue: staff read documents, correct texts, and approve or reject."""

from datetime import date
from typing import Any

from csp.decorators import csp_replace
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.views.decorators.clickjacking import xframe_options_sameorigin

from accounts.access import signed_in
from bubblyphone.core.admin import ReadOnlyAdmin
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.pages.views import show_refusal
from phone_numbers.countries import country_name
from phone_numbers.models import Verification, VerificationDocument, VerificationEvent
from phone_numbers.verification import submissions


class DocumentForm(forms.ModelForm[VerificationDocument]):
    """Staff can only edit texts: files stay as the developer submitted them."""

    class Meta:
        model = VerificationDocument
        fields = ["value"]
        widgets = {"value": forms.Textarea(attrs={"rows": 2, "cols": 50, "aria-label": "Text"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.kind == "document":
            self.fields["value"].disabled = True
            self.fields["value"].widget = forms.HiddenInput()


class DocumentInline(admin.TabularInline[VerificationDocument, Verification]):
    model = VerificationDocument
    form = DocumentForm
    extra = 0
    can_delete = False
    fields = ["name", "kind", "document_file", "value"]
    readonly_fields = ["name", "kind", "document_file"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.status == Verification.Status.PENDING) and super().has_change_permission(
            request, obj
        )

    @admin.display(description="file")
    def document_file(self, document: VerificationDocument) -> str | SafeString:
        """The file as an image or a PDF, and a link to it."""
        if not document.file:
            return "–"
        url = reverse("admin:numbers_verification_document", args=[document.verification_id, document.pk])
        name = document.filename or "document"
        shown = (
            format_html('<img src="{}" alt="">', url)  # the link below it names the file
            if document.content_type.startswith("image/")
            else format_html('<iframe src="{}#view=FitH&amp;navpanes=0" title="{}"></iframe>', url, name)
        )
        return format_html('<div class="document-file">{}<a href="{}">{}</a></div>', shown, url, name)


class EventInline(admin.TabularInline[VerificationEvent, Verification]):
    model = VerificationEvent
    verbose_name_plural = "history"
    extra = 0
    can_delete = False
    fields = ["created_at", "status", "actor", "reason"]
    readonly_fields = ["created_at", "status", "actor", "reason"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _day(text: str) -> date | None:
    """The typed day; None if empty. Raises InvalidRequest."""
    try:
        found: date | None = forms.DateField(required=False).clean(text)
    except forms.ValidationError as error:
        raise InvalidRequest({"expires_on": list(error.messages)}) from error
    return found


@admin.register(Verification)
class VerificationAdmin(ReadOnlyAdmin):
    """Approving and rejecting are buttons on the page (templates/admin/numbers/verification/change_form.html)."""

    list_display = [
        "public_id", "status", "developer", "country", "number_type", "waiting", "submitted_at", "reviewed_at",
    ]  # fmt: skip
    list_filter = ["status", "country_code", "number_type"]
    list_select_related = ["developer"]
    search_fields = ["public_id", "developer__email"]
    # Pending ones first, oldest first.
    ordering = [Case(When(status=Verification.Status.PENDING, then=0), default=1), "submitted_at"]
    fields = [
        ("status", "rejection_reason"), "developer", ("country", "number_type"), ("submitted_at", "reviewed_at", "expires_on"),
        "public_id", "carrier_ref",
    ]  # fmt: skip
    inlines = [DocumentInline, EventInline]

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return super(ReadOnlyAdmin, self).has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return flatten(self.fields)

    @admin.display(description="waiting")
    def waiting(self, row: Verification) -> str:
        return timesince(row.submitted_at) if row.status == Verification.Status.PENDING else "–"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the number of pending verifications and the age of the oldest."""
        pending: QuerySet[Verification] = Verification.objects.filter(status=Verification.Status.PENDING)
        oldest = pending.order_by("submitted_at").first()
        queue = {"pending_count": pending.count(), "oldest": oldest, "now": timezone.now()}
        return super().changelist_view(request, {**(extra_context or {}), **queue})

    @admin.display(description="country", ordering="country_code")
    def country(self, row: Verification) -> str:
        return country_name(row.country_code)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing: the row changes in `phone_numbers.verification.submissions` alone."""

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """The texts are saved; now apply the decision, if one of its buttons was pressed."""
        staff = signed_in(request)
        try:
            if "_approve" in request.POST:
                last_day = _day(request.POST.get("expires_on", ""))
                submissions.approve(verification_id=obj.pk, staff=staff, expires_on=last_day)
                self.log_change(request, obj, f"Approved{f', until {last_day}' if last_day else ''}.")
                messages.success(request, "Approved. We are notifying the developer.")
            elif "_reject" in request.POST:
                reason = request.POST.get("reason", "")
                submissions.reject(verification_id=obj.pk, staff=staff, reason=reason)
                self.log_change(request, obj, f"Rejected: {reason}")
                messages.success(request, "Rejected. We are notifying the developer.")
            else:
                return super().response_change(request, obj)
        except ApplicationError as error:
            show_refusal(request, error)
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(reverse("admin:numbers_verification_changelist") + "?status__exact=pending")

    def get_urls(self) -> list[URLPattern]:
        document = path(
            "<int:pk>/documents/<int:document_pk>",
            self.admin_site.admin_view(self.document_view),
            name="numbers_verification_document",
        )
        return [document, *super().get_urls()]

    # The verification's page shows it in a frame.
    @method_decorator(xframe_options_sameorigin)
    @method_decorator(csp_replace({"frame-ancestors": ["'self'"], "object-src": ["'self'"]}))
    def document_view(self, request: HttpRequest, pk: int, document_pk: int) -> HttpResponse:
        """A file, for staff who may view verifications."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        document = VerificationDocument.objects.filter(pk=document_pk, verification_id=pk).first()
        if document is None or not document.file:
            raise Http404
        with document.file.open("rb") as file:
            response = HttpResponse(file.read(), content_type=document.content_type)
        name = (document.file.name or "").rpartition("/")[2]
        response["Content-Disposition"] = f'inline; filename="{name}"'
        return response
