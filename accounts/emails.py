"""Emails to developers: plain text from `templates/emails`. Called from background jobs only."""

from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts.models import Developer
from accounts.notifications import wants_email
from bubblyphone.core.waiting import before_waiting


def send(developer: Developer, template: str, context: dict[str, Any], *, to: str = "") -> bool:
    """Send `templates/emails/<template>.txt` to the developer or to `to`: its first line is the subject, the rest the text.

    False if the account has turned such emails off. Raises what the backend raises (SMTPException, OSError): the job has failed then.
    """
    if not wants_email(developer.pk, template):
        return False
    text = render_to_string(f"emails/{template}.txt", {"developer": developer, **context})
    subject, _, body = text.partition("\n")
    before_waiting()
    EmailMessage(subject.strip(), body.lstrip("\n"), to=[to or developer.email]).send()
    return True
