"""Formats values on pages: money, phone numbers, durations, states, icons."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import phonenumbers
from django import template
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bubblyphone.core.money import format_money, round_half_up

register = template.Library()

MINUS = "\N{MINUS SIGN}"
CENT = Decimal("0.01")

# CSS classes of states; others are plain.
BADGES = {
    "initiated": ("live", "Starting"),
    "ringing": ("live", "Ringing"),
    "answered": ("live", "In call"),
    "completed": ("good", "Completed"),
    "failed": ("bad", "Failed"),
    "active": ("good", "Active"),
    "suspended": ("warn", "Suspended"),
    "pending": ("warn", "Pending"),
    "approved": ("good", "Approved"),
    "rejected": ("bad", "Rejected"),
    "not_required": ("", "Not required"),
    "unverified": ("", "Documents required"),
    "delivered": ("good", "Delivered"),
    "succeeded": ("good", "Paid"),
    "expired": ("", "Expired"),
    "revoked": ("", "Revoked"),
    "streaming": ("", "Streaming"),
    "webhook": ("", "Webhook"),
}


@register.filter
def money(amount: Decimal | str | None) -> str:
    """Dollars and cents, like "$1,250.00", for an amount or its API text; None is shown as a dash.

    Rounded half up. A positive amount below half a cent is "<$0.01", so that a charge never looks free.
    """
    if amount is None:
        return "–"
    amount = Decimal(amount)
    cents = round_half_up(abs(amount), CENT)
    if not cents and amount:
        return f"{MINUS if amount < 0 else ''}<$0.01"
    return _dollars(amount, format_money(cents))


@register.filter
def exact_money(amount: Decimal | str | None) -> str:
    """The exact amount in dollars, like "$0.063": for prices, bills, and ledger entries. None is shown as a dash."""
    if amount is None:
        return "–"
    amount = Decimal(amount)
    return _dollars(amount, format_money(abs(amount)))


def _dollars(amount: Decimal, digits: str) -> str:
    whole, _, rest = digits.partition(".")
    return f"{MINUS if amount < 0 else ''}${int(whole):,}.{rest}"


@register.filter
@lru_cache(4096)  # a list of 50 calls has the same few numbers a hundred times, at 0.06 ms each
def phone(number: str) -> str:
    """A number in readable form, "+1 415-555-0100"; other texts are unchanged."""
    return _in_format(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


@register.filter
def national(number: str) -> str:
    """A number in national form, "(415) 555-0100"; other texts are unchanged."""
    return _in_format(number, phonenumbers.PhoneNumberFormat.NATIONAL)


def _in_format(number: str, style: int) -> str:
    try:
        return phonenumbers.format_number(phonenumbers.parse(number), style)
    except phonenumbers.NumberParseException:
        return number


@register.filter
def duration(seconds: int | None) -> str:
    """ "0:42", "1:02:03"; None is shown as a dash."""
    if seconds is None:
        return "–"
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


@register.filter
def utc_text(moment: datetime) -> str:
    """For a `title`: "28 Mar 2026, 10:00:04 UTC"."""
    return f"{moment.astimezone(UTC):%b %-d, %Y, %H:%M:%S} UTC"


@register.simple_tag
def when(moment: datetime | None, form: str = "M j, H:i", zone: bool = True) -> SafeString | str:
    """A time in the user's time zone with its abbreviation, and UTC on hover; None is shown as a dash.

    A date has no zone. Without `zone` the abbreviation is omitted, in tables and lists, because the footer names it.
    """
    if moment is None:
        return "–"
    exact = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    local = timezone.localtime(moment)
    shown = date_format(local, form)
    if zone and "H" in form:
        shown = f"{shown} {zone_name(local)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, utc_text(moment), shown)


def zone_name(moment: datetime) -> str:
    """The abbreviation of a moment's zone, "CEST"; for zones without one the offset, "UTC+03:00"."""
    name = moment.tzname() or ""
    return name if name.isalpha() else f"UTC{moment.isoformat()[-6:]}".removesuffix("+00:00")


@register.simple_tag
def reader_zone() -> str:
    """The zone of the times on the page, "Europe/Paris, CEST"; "UTC" alone for UTC itself."""
    name, short = timezone.get_current_timezone_name(), zone_name(timezone.localtime())
    return short if name == short else f"{name.replace('_', ' ')}, {short}"


@register.simple_tag
def badge(state: str) -> SafeString:
    """A state as a colored badge."""
    look, text = BADGES.get(state, ("", state.replace("_", " ").capitalize()))
    return format_html('<span class="badge {}">{}</span>', look, text)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon from static/img/icons.svg; always next to a text with the same meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("img/icons.svg"), name
    )


@register.simple_block_tag(takes_context=True)
def dialog(
    context: dict[str, Any],
    content: str,
    name: str,
    url_name: str,
    pk: int,
    *,
    title: str,
    button: str,
    of: object = "",
    look: str = "danger",
    in_list: bool = False,
    discards: bool = False,
) -> SafeString:
    """A form in a dialog, which a button with `popovertarget` opens. Its id is `name`, or, with `in_list`, `name-pk`.

    `of` replaces {} in `title`. With `discards`, unsaved input on the page is discarded (static/js/forms.js).
    """
    key = f"{name}-{pk}" if in_list else name
    return format_html(
        '<dialog id="{key}" popover aria-labelledby="{key}-question">'
        '<form class="body" method="post" action="{url}" novalidate{discards}>'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{token}"><h2 id="{key}-question">{title}</h2>{content}'
        '<div class="row"><button class="button {look}">{button}</button>'
        '<button class="button" type="button" popovertarget="{key}" popovertargetaction="hide">Cancel</button></div>'
        "</form></dialog>",
        key=key,
        url=reverse(url_name, args=[pk]),
        discards=SafeString(" data-discards" if discards else ""),
        token=context.get("csrf_token", ""),
        title=format_html(title, of),
        content=content,
        look=look,
        button=button,
    )


@register.simple_tag(takes_context=True)
def current(context: dict[str, Any], *names: str) -> str:
    """`aria-current` for a link to the page that is shown, or to the section it belongs to."""
    match = getattr(context.get("request"), "resolver_match", None)
    return SafeString('aria-current="page"') if match is not None and match.url_name in names else ""
