"""Emails to developers: plain text from `templates/emails`. Called from background jobs only."""

from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Developer
from accounts.notifications import is_optional, wants_email
from bubblyphone.core.network.waiting import before_waiting


def send(developer: Developer, template: str, context: dict[str, Any], *, to: str = "") -> bool:
    """Send `templates/emails/<template>.txt` to the developer or to `to`: its first line is the subject, the rest the text.

    One that the account can turn off says where. False if it has, or if staff deactivated the account and this is not about its
    security. Raises what the backend raises (SMTPException, OSError): the job has failed then.
    """
    if not wants_email(developer, template):
        return False
    text = render_to_string(f"emails/{template}.txt", {"developer": developer, **context})
    subject, _, body = text.partition("\n")
    if is_optional(template):
        body = f"{body.rstrip()}\n\nChoose which emails you get: {settings.PUBLIC_URL}{reverse('notifications')}\n"
    before_waiting()
    EmailMessage(subject.strip(), body.lstrip("\n"), to=[to or developer.email]).send()
    return True
