"""The queue of papers: staff read them, put texts right, and approve or reject."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.access import signed_in
from agents.admin import ReadOnlyAdmin
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages import show_refusal
from phone_numbers import verification
from phone_numbers.countries import country_name
from phone_numbers.models import Verification, VerificationDocument, VerificationEvent


class DocumentForm(forms.ModelForm[VerificationDocument]):
    """Only texts can be written by staff: files are what the developer handed in."""

    class Meta:
        model = VerificationDocument
        fields = ["value"]
        widgets = {"value": forms.Textarea(attrs={"rows": 2, "cols": 50})}

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
    fields = ["name", "kind", "paper", "value"]
    readonly_fields = ["name", "kind", "paper"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (obj is None or obj.status == Verification.Status.PENDING) and super().has_change_permission(
            request, obj
        )

    @admin.display(description="file")
    def paper(self, document: VerificationDocument) -> str | SafeString:
        """A link to the file, and the picture itself where it is one."""
        if not document.file:
            return "–"
        url = reverse("admin:numbers_verification_document", args=[document.verification_id, document.pk])
        if document.content_type.startswith("image/"):
            return format_html('<a href="{}"><img src="{}" alt="" width="240"><br>{}</a>', url, url, document.filename)
        return format_html('<a href="{}">{}</a>', url, document.filename or "document")


class EventInline(admin.TabularInline[VerificationEvent, Verification]):
    model = VerificationEvent
    verbose_name_plural = "history"
    extra = 0
    can_delete = False
    fields = ["created_at", "status", "actor", "reason"]
    readonly_fields = ["created_at", "status", "actor", "reason"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Verification)
class VerificationAdmin(ReadOnlyAdmin):
    """Approving and rejecting are buttons of the page (templates/admin/numbers/verification/change_form.html)."""

    list_display = ["public_id", "status", "developer", "country", "number_type", "submitted_at", "reviewed_at"]
    list_filter = ["status", "country_code", "number_type"]
    list_select_related = ["developer"]
    search_fields = ["public_id", "developer__email"]
    # What waits comes first, the longest waiting before the others.
    ordering = [Case(When(status=Verification.Status.PENDING, then=0), default=1), "submitted_at"]
    fields = [
        ("status", "rejection_reason"), "developer", ("country", "number_type"), ("submitted_at", "reviewed_at"),
        "public_id", "carrier_ref",
    ]  # fmt: skip
    inlines = [DocumentInline, EventInline]

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return super(ReadOnlyAdmin, self).has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [
            "status", "rejection_reason", "developer", "country", "number_type", "submitted_at", "reviewed_at", "public_id",
            "carrier_ref",
        ]  # fmt: skip

    @admin.display(description="country", ordering="country_code")
    def country(self, row: Verification) -> str:
        return country_name(row.country_code)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing: the row changes in `phone_numbers.verification` alone."""

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Texts are saved; now the decision, if a button for one was pressed."""
        staff = signed_in(request)
        try:
            if "_approve" in request.POST:
                verification.approve(verification_id=obj.pk, staff=staff)
                messages.success(request, "Approved. The developer is told.")
            elif "_reject" in request.POST:
                verification.reject(verification_id=obj.pk, staff=staff, reason=request.POST.get("reason", ""))
                messages.success(request, "Rejected. The developer is told why.")
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

    def document_view(self, request: HttpRequest, pk: int, document_pk: int) -> HttpResponse:
        """A file, to staff who may see verifications."""
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
