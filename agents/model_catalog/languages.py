"""Language codes: what BCP-47 allows, and what vendors accept.

https://www.rfc-editor.org/info/bcp47
"""

import re
from collections.abc import Iterable

MAX_LENGTH = 35  # RFC 5646 §4.4.1: implementations should keep tags of that length
# Languages with extended subtags (zh-yue). Longer primary languages are reserved and have never been assigned.
_EXTENDABLE = "ar|kok|lv|ms|sgn|sw|uz|zh"
_TAG = re.compile(
    rf"(?:(?P<macro>{_EXTENDABLE})-(?P<extended>[a-z]{{3}})|(?P<language>[a-z]{{2,3}}))"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*"
    r"(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE | re.ASCII,
)
# Codes for the same language, or one that vendors know by another code. Vendors accept ISO 639-1 with a few old codes.
_SAME = {
    "nb": "no", "nn": "no", "fil": "tl", "cmn": "zh", "yue": "zh", "hak": "zh", "nan": "zh", "wuu": "zh", "iw": "he", "in": "id",
    "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr", "arb": "ar", "arz": "ar", "pes": "fa", "prs": "fa", "zsm": "ms", "swh": "sw",
    "ekk": "et", "lvs": "lv", "npi": "ne", "khk": "mn", "azj": "az", "uzn": "uz", "als": "sq", "plt": "mg",
}  # fmt: skip


def is_valid(tag: str) -> bool:
    """Whether it is a well-formed BCP-47 tag of an assignable language."""
    return len(tag) <= MAX_LENGTH and _TAG.fullmatch(tag) is not None


def tongue(tag: str) -> str:
    """The language alone, in lower case, under the code that most vendors use: "NB-no" and "nn" become "no". Empty without a tag."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return ""
    language = (found["extended"] or found["language"]).lower()
    return _SAME.get(language, language)


def nearest_code(tag: str, codes: Iterable[str]) -> str:
    """The vendor's code for a language: for the same region, otherwise the bare language, otherwise the first code of that language.

    A code of the exact language is preferred over one of the same group (for "yue" and "zh"). Empty if the vendor has none.
    """
    found = _TAG.fullmatch(tag)
    if found is None:
        return ""
    own, common, region = (found["extended"] or found["language"]).lower(), tongue(tag), (found["region"] or "").upper()

    def distance(code: str) -> tuple[bool, ...]:
        language, _, rest = code.lower().partition("-")
        return language != own, language != common, rest.upper() != region, bool(rest)

    return min((code for code in codes if tongue(code) == common), key=distance, default="")
