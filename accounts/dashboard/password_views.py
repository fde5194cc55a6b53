"""Pages for links sent by email, and for requesting one."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import email_verification, passwords
from accounts.dashboard.forms import ForgotPasswordForm, ResetPasswordForm
from bubblyphone.core.errors import InvalidRequest, NotFound
from bubblyphone.core.network.http import client_address
from bubblyphone.core.pages.once import once
from bubblyphone.core.pages.views import refusals_on


@require_http_methods(["GET", "HEAD", "POST"])
@once
def forgot(request: HttpRequest) -> HttpResponse:
    """Request a link. The response is the same whether or not the address is known."""
    form = ForgotPasswordForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            passwords.request_reset(email=form.cleaned_data["email"], address=client_address(request))
            return redirect(f"{request.path}?sent=1")
    return render(request, "accounts/forgot_password.html", {"form": form, "is_sent": "sent" in request.GET})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@once
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """Choose the new password; only the POST uses up the link."""
    form = ResetPasswordForm(request.POST or None)
    is_valid = passwords.is_valid(token)
    if is_valid and form.is_valid():
        try:
            passwords.reset(token=token, password=form.cleaned_data["password"])
        except InvalidRequest:
            is_valid = False
        else:
            messages.success(request, "Password changed. Sign in with your new password.")
            return redirect("login")
    return render(request, "accounts/reset_password.html", {"form": form, "is_valid": is_valid})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@once
def verify_email(request: HttpRequest, token: str) -> HttpResponse:
    """Confirm the address. Programs that scan links in emails only send GET, so confirming requires a POST."""
    try:
        if request.method == "POST":
            email_verification.verify(token=token)
            messages.success(request, "Email address confirmed.")
            return redirect("overview" if request.user.is_authenticated else "login")
        developer = email_verification.read_token(token)
    except NotFound as error:
        raise Http404(error.message) from error
    return render(request, "accounts/verify_email.html", {"developer": developer})
