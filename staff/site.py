"""The admin site: staff sign in with a password and a second factor."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import django_otp
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.http import urlencode
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import services, throttles
from accounts.access import signed_in
from accounts.models import Developer
from billing import ledger_verification
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.network.http import client_address
from bubblyphone.core.pages.once import once, show_once, take_shown_once
from bubblyphone.core.pages.views import next_page
from staff import home, second_factor, status

Found = TypeVar("Found")
NEW_CODES = "recovery-codes"  # values that the page after setup shows once


class StaffSignInForm(AdminAuthenticationForm):
    """The password step, with the limits of every sign-in."""

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password and self.request is not None:
            try:
                developer = services.sign_in(email=email, password=password, address=client_address(self.request))
            except services.WrongCredentials:
                raise self.get_invalid_login_error() from None
            except ApplicationError as error:
                raise forms.ValidationError(error.message) from error
            self.confirm_login_allowed(developer)
            self.user_cache = developer
        return self.cleaned_data


class CodeForm(forms.Form):
    code = forms.CharField(
        max_length=40, widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True, "size": 24})
    )


class StaffSite(admin.AdminSite):
    site_header = site_title = "BubblyPhone staff"
    index_title = "Administration"
    login_form = StaffSignInForm
    login_template = "admin/sign_in.html"
    logout_template = "admin/signed_out.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Active staff, with a verified second factor if required."""
        return self._has_password(request) and (
            _is_verified(request) or not second_factor.is_required(signed_in(request))
        )

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return super().admin_view(once(_refused_by_its_form(view)), cacheable)

    def _has_password(self, request: HttpRequest) -> bool:
        return super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's own page, then the second factor's."""
        if self._has_password(request) and not _is_verified(request):
            return self._to_second_factor(request)
        response = super().login(request, {"title": "Sign in", **(extra_context or {})})
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            return self._to_second_factor(request)
        return response

    def _to_second_factor(self, request: HttpRequest) -> HttpResponse:
        return redirect(f"{reverse('admin:second-factor')}?{urlencode({'next': self._target(request)})}")

    def _target(self, request: HttpRequest) -> str:
        return next_page(request) or reverse("admin:index")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        page = never_cache(require_http_methods(["GET", "HEAD", "POST"])(self.second_factor))
        status = self.admin_view(require_http_methods(["GET", "HEAD", "POST"])(self.status))
        return [
            path("second-factor/", page, name="second-factor"),
            path("status/", status, name="status"),
            *super().get_urls(),
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Django's own page, with pending tasks above its lists."""
        return super().index(request, {"waiting": home.waiting(request.user), **(extra_context or {})})

    def status(self, request: HttpRequest) -> HttpResponse:
        """The status of the installation, for operators; the form starts a ledger check."""
        if not request.user.has_perm("django_q.view_failure"):
            raise PermissionDenied
        if request.method == "POST":
            enqueue(ledger_verification.verify_nightly)
            messages.success(request, "The ledger is being checked. Refresh this page in a moment.")
            return redirect("admin:status")
        shown = {**self.each_context(request), "title": "System status", **status.summary()}
        return render(request, "admin/status.html", shown)

    def second_factor(self, request: HttpRequest) -> HttpResponseBase:
        """Set up two-factor authentication on the first visit, ask for a code on every other."""
        if not self._has_password(request):
            return redirect("admin:login")
        target = self._target(request)
        if _is_verified(request):
            codes = take_shown_once(request, NEW_CODES).split()
            return self._show(request, "codes", codes=codes, target=target) if codes else redirect(target)
        if second_factor.is_enrolled(signed_in(request)):
            return self._verify(request, target)
        return self._enrol(request, target)

    def _verify(self, request: HttpRequest, target: str) -> HttpResponse:
        form = CodeForm(request.POST or None)
        if form.is_valid():
            device = self._guess(request, form, second_factor.check)
            if device is not None:
                django_otp.login(request, device)
                return redirect(target)
            if not form.errors:
                form.add_error("code", "This code is wrong or was already used.")
        return self._show(request, "verify", form=form, target=target)

    def _enrol(self, request: HttpRequest, target: str) -> HttpResponse:
        developer = signed_in(request)
        form = CodeForm(request.POST or None)
        if form.is_valid():
            confirmed = self._guess(request, form, second_factor.confirm)
            if confirmed is not None:
                device, codes = confirmed
                django_otp.login(request, device)
                show_once(request, NEW_CODES, " ".join(codes))
                return self._to_second_factor(request)
            if not form.errors:
                form.add_error("code", "Wrong code. Enter the code your app shows now.")
        device = second_factor.begin(developer)
        return self._show(
            request,
            "enrol",
            form=form,
            target=target,
            picture=mark_safe(second_factor.qr_svg(device)),  # noqa: S308  (drawn by us)
            key=second_factor.key_text(device),
            may_skip=not second_factor.is_required(developer),
        )

    def _guess(
        self, request: HttpRequest, form: CodeForm, check: Callable[[Developer, str], Found | None]
    ) -> Found | None:
        """The device that a code unlocks; None for a wrong code, with a form error after too many attempts."""
        developer, code = signed_in(request), form.cleaned_data["code"]
        is_recovery = second_factor.is_recovery(code)
        limits = throttles.code_limits(developer=developer, address=client_address(request), is_recovery=is_recovery)
        try:
            throttles.count_attempt(limits)
        except ApplicationError as error:
            other_way = not is_recovery and second_factor.is_enrolled(developer)
            form.add_error(
                "code", f"{error.message} You can still use a recovery code." if other_way else error.message
            )
            return None
        found = check(developer, code)
        if found is not None:
            throttles.forgive(limits)
        return found

    def _show(self, request: HttpRequest, name: str, **context: Any) -> HttpResponse:
        titles = {
            "verify": "Two-factor authentication",
            "enrol": "Set up two-factor authentication",
            "codes": "Recovery codes",
        }
        shown = {**self.each_context(request), "title": titles[name], "is_nav_sidebar_enabled": False, **context}
        return render(request, f"admin/second_factor/{name}.html", shown)


def _refused_by_its_form(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """If someone else saved the same address or prefix after the form was validated, validate again and show the error at the field.

    The admin's views save in a transaction, so nothing of the first attempt remains.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (IntegrityError, InvalidRequest):
            return view(request, *args, **kwargs)

    return wrapped


def _is_verified(request: HttpRequest) -> bool:
    return bool(request.user.is_verified())  # type: ignore[union-attr]  # django-otp's middleware brings it
