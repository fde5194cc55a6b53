"""Shared by all page views: sign-in, the next page, and showing service errors as form errors or messages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeAlias
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bubblyphone.core.errors import ApplicationError, InvalidRequest, NotFound, TooManyRequests
from bubblyphone.core.pages.once import act_once

P = ParamSpec("P")


View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(view: View[P]) -> View[P]:
    """A page for signed-in users, in their time zone; objects that a service does not find are 404, too many requests are 429."""
    return require_safe(_for_account(view))


def form_page(view: View[P]) -> View[P]:
    """A page that also handles the POST of its form."""
    return require_http_methods(["GET", "HEAD", "POST"])(_for_account(view))


def page_action(view: View[P]) -> View[P]:
    """A POST from a page, such as a button's, that renders no page."""
    return require_POST(_for_account(view))


def _for_account(view: View[P]) -> View[P]:
    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        try:
            with timezone.override(request.user.time_zone):
                return act_once(request, view, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except TooManyRequests as error:
            return too_many(request, error)

    return wrapped


def too_many(request: HttpRequest, error: TooManyRequests) -> HttpResponse:
    """The 429 of pages, with Retry-After and a link back.

    For htmx it is a sentence, which static/js/app.js shows without replacing the page.
    """
    headers = {"Retry-After": str(error.retry_after)}
    if "HX-Request" in request.headers:
        return HttpResponse(error.message, status=429, headers=headers, content_type="text/plain; charset=utf-8")
    context = {"message": error.message, "seconds": error.retry_after, "page": referring_page(request)}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = headers["Retry-After"]
    return response


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """Redirect to sign-in and back. A submitted form returns to its page, because its own URL may only accept POST."""
    if request.method != "POST":
        return redirect_to_login(request.get_full_path())
    answer = redirect_to_login(referring_page(request) or reverse("overview"))
    answer["Location"] += "&unsaved=1"
    return answer


def referring_page(request: HttpRequest) -> str:
    """Path and query of the page on this site that sent the request; "" if the browser sends none, or another site's."""
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return ""
    parts = urlsplit(referrer)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def next_page(request: HttpRequest) -> str:
    """The page to go on to as `next` names it, in the form or the query; "" where that is no path of ours from the root on.

    `redirect` would take a word for the name of a route, and fail if there is none.
    """
    target = request.POST.get("next") or request.GET.get("next") or ""
    return target if target.startswith("/") and url_has_allowed_host_and_scheme(target, None) else ""


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form of a page that was loaded before its user signed in again. static/js/drafts.js keeps the typed values."""
    return render(request, "403_csrf.html", {"page": referring_page(request)}, status=403)


def posted_from(page_name: str, *parameters: str) -> Callable[[View[P]], View[P]]:
    """A view that handles the POST of a form on another page, and shows that page with the errors of a rejected form.

    A GET of its URL redirects to that page, whose URL has the view's `parameters`.
    """

    def decorate(view: View[P]) -> View[P]:
        for_account = _for_account(view)

        @wraps(view)
        def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if request.method == "POST":
                return for_account(request, *args, **kwargs)
            return HttpResponseRedirect(reverse(page_name, kwargs={name: kwargs[name] for name in parameters}))

        return require_http_methods(["GET", "HEAD", "POST"])(wrapped)

    return decorate


@contextmanager
def refusals_on(form: forms.Form) -> Iterator[None]:
    """Turn a service's refusal in the block into errors of `form`; the view continues after the block."""
    try:
        yield
    except ApplicationError as error:
        add_errors(form, error)


def add_errors(form: forms.Form, error: ApplicationError) -> None:
    """Show a service's refusal where users look for it: at the field it names (the first part of a path), otherwise above the form."""
    if not isinstance(error, InvalidRequest):
        form.add_error(None, error.message)
        return
    for path, texts in error.errors.items():
        name, _, rest = path.partition(".")
        for text in texts:
            if name in form.fields:
                form.add_error(name, f"{rest}: {text}" if rest else text)
            else:
                form.add_error(None, f"{path}: {text}")


def show_refusal(request: HttpRequest, error: ApplicationError) -> None:
    """Show a refusal as a message on the next page."""
    messages.error(request, error.full_message)


@contextmanager
def reported(request: HttpRequest, done: str = "") -> Iterator[None]:
    """Report the result of the block on the next page: a refusal, or `done` (if not empty). Raises NotFound."""
    try:
        yield
    except NotFound:
        raise
    except ApplicationError as error:
        show_refusal(request, error)
    else:
        if done:
            messages.success(request, done)
