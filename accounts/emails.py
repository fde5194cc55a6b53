"""Emails to developers: plain text from `templates/emails`. Called from background jobs only."""

from typing import Any

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from accounts.models import Developer
from bubblyphone.core.waiting import before_waiting


def send(developer: Developer, template: str, context: dict[str, Any], *, to: str = "") -> None:
    """Send `templates/emails/<template>.txt` to the developer or to `to`: its first line is the subject, the rest the text.

    Raises what the backend raises (SMTPException, OSError): the job has failed then.
    """
    text = render_to_string(f"emails/{template}.txt", {"developer": developer, **context})
    subject, _, body = text.partition("\n")
    before_waiting()
    EmailMessage(subject.strip(), body.lstrip("\n"), to=[to or developer.email]).send()
