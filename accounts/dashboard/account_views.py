"""The account page: profile, password, sessions."""

from django import forms
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters

from accounts import account_deletion, browser_sessions, email_verification, passwords, selectors, services
from accounts.access import signed_in
from accounts.dashboard.forms import ChangePasswordForm, DeleteAccountForm, ProfileForm
from accounts.models import Developer
from bubblyphone.core.network.http import client_address
from bubblyphone.core.pages.views import form_page, page_action, posted_from, refusals_on, reported


@form_page
def account(request: HttpRequest) -> HttpResponse:
    """The page; a POST saves name, company, and time zone."""
    developer = signed_in(request)
    form = ProfileForm(request.POST or None, initial=_profile(developer))
    if form.is_valid():
        services.update_profile(developer=developer, **form.cleaned_data)
        messages.success(request, "Profile saved.")
        return redirect("account")
    return show_account(request, profile_form=form)


@sensitive_post_parameters("current_password", "password")
@posted_from("account")
def change_password(request: HttpRequest) -> HttpResponse:
    """Ends all other sessions; this one continues."""
    developer = signed_in(request)
    form = ChangePasswordForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            passwords.change(developer=developer, **form.cleaned_data, address=client_address(request))
            developer.refresh_from_db()
            update_session_auth_hash(request, developer)
            browser_sessions.forget_session_row(request)
            messages.success(request, "Password changed.")
            return redirect("account")
    return show_account(request, password_form=form)


@page_action
def log_out_everywhere(request: HttpRequest) -> HttpResponse:
    services.close_all_sessions(developer=signed_in(request))
    logout(request)
    messages.success(request, "You are signed out everywhere.")
    return redirect("login")


@page_action
def sign_out_browser(request: HttpRequest, pk: int) -> HttpResponse:
    browser_sessions.sign_out(developer=signed_in(request), pk=pk)
    messages.success(request, "Browser signed out.")
    return redirect("account")


@page_action
def end_token(request: HttpRequest, pk: int) -> HttpResponse:
    services.close_session_by_id(developer=signed_in(request), pk=pk)
    messages.success(request, "API session signed out.")
    return redirect("account")


@sensitive_post_parameters("password")
@posted_from("account")
def delete_account(request: HttpRequest) -> HttpResponse:
    """Delete the account permanently, after checking the password."""
    form = DeleteAccountForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            account_deletion.close_account(
                developer=signed_in(request), **form.cleaned_data, address=client_address(request)
            )
            logout(request)
            messages.success(request, "Your account is deleted. We are ending its calls and releasing its numbers.")
            return redirect("login")
    return show_account(request, delete_form=form)


@page_action
def send_verification(request: HttpRequest) -> HttpResponse:
    """Resend the email that confirms the address."""
    with reported(request, "Email sent."):
        email_verification.request_link(developer=signed_in(request))
    return redirect("account")


def show_account(request: HttpRequest, **refused: forms.Form) -> HttpResponse:
    """The page, with a rejected form in its place."""
    developer = signed_in(request)
    context = {
        "profile_form": ProfileForm(initial=_profile(developer)),
        "password_form": ChangePasswordForm(),
        "delete_form": DeleteAccountForm(),
        "browsers": [
            (browser_sessions.device_of(row.user_agent), row, row.session_key == request.session.session_key)
            for row in browser_sessions.open_browser_sessions(developer)
        ],
        "tokens": selectors.open_sessions(developer).order_by("-pk"),
    }
    return render(request, "accounts/account.html", {**context, **refused})


def _profile(developer: Developer) -> dict[str, str]:
    return {"name": developer.name, "company_name": developer.company_name, "time_zone": developer.time_zone}
