"""Signing up, in and out, and API keys."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import selectors, services
from accounts.access import signed_in
from accounts.dashboard.forms import ApiKeyForm, SignInForm, SignUpForm
from bubblyphone.core.network.http import client_address
from bubblyphone.core.pages.once import once, show_once, take_shown_once
from bubblyphone.core.pages.views import form_page, next_page, page_action, refusals_on

NEW_KEY = "api-key"  # values that the page after the POST shows once


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
@once
def sign_up(request: HttpRequest) -> HttpResponse:
    """Open an account and sign in."""
    if request.user.is_authenticated:
        return redirect("overview")
    form = SignUpForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            developer = services.register(**form.cleaned_data, address=client_address(request))
            login(request, developer)
            return redirect("new-agent")
    return render(request, "accounts/signup.html", {"form": form})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in and return to the page that asked for it."""
    target = next_page(request)
    if request.user.is_authenticated:
        return redirect(target or "overview")
    form = SignInForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            developer = services.sign_in(**form.cleaned_data, address=client_address(request))
            login(request, developer)
            return redirect(target or resolve_url(settings.LOGIN_REDIRECT_URL))
    return render(request, "accounts/login.html", {"form": form, "next": target})


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("login")


@form_page
def api_keys(request: HttpRequest) -> HttpResponse:
    """The list of keys, and creating one. Its plaintext is shown once, on the next page."""
    developer = signed_in(request)
    form = ApiKeyForm(request.POST or None)
    if form.is_valid():
        _, secret = services.issue_api_key(developer=developer, **form.cleaned_data)
        show_once(request, NEW_KEY, secret)
        return redirect("api-keys")
    keys = selectors.active_api_keys(developer).order_by("-pk")
    context = {
        "form": form,
        "keys": keys,
        "new_key": take_shown_once(request, NEW_KEY),
        "base_url": settings.PUBLIC_URL,
    }
    return render(request, "accounts/api_keys.html", context)


@page_action
def revoke_api_key(request: HttpRequest, key_id: int) -> HttpResponse:
    services.revoke_api_key(developer=signed_in(request), key_id=key_id)
    messages.success(request, "API key revoked.")
    return redirect("api-keys")
