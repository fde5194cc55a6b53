"""The numbers that the exchange sells: only from ranges that regulators reserve for fiction, so no number belongs to
anyone.

Sources: NANPA 555-0100…0199; Ofcom "telephone numbers for use in TV and radio drama"; BNetzA "Drama-Nummern"; Arcep
decision 2018-0881 (numbers for audiovisual works); ACMA "fictitious numbers"; ComReg (020 91x xxxx); PTS "nummer för
böcker och filmer".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

VOICE_ONLY = ("voice",)
VOICE_FAX = ("voice", "fax")
FULL = ("voice", "sms", "mms", "fax")
MOBILE = ("voice", "sms")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of numbers: `prefix` (the digits after +), followed by `count` endings of `digits` digits, from zero."""

    country: str
    kind: str
    prefix: str
    digits: int
    count: int
    area_code: str
    city: str
    region: str
    features: tuple[str, ...]
    upfront_cost: str = "1.00000"
    monthly_cost: str = "1.00000"

    def numbers(self) -> Iterator[str]:
        return (f"+{self.prefix}{ending:0{self.digits}d}" for ending in range(self.count))


def _nanp(country: str, region: str, areas: Mapping[str, str]) -> list[Block]:
    return [Block(country, "local", f"1{area}55501", 2, 100, area, city, region, FULL) for area, city in areas.items()]


def _toll_free(area: str) -> Block:
    return Block(
        "US", "toll_free", f"1{area}55501", 2, 100, area, "", "", ("voice", "sms", "fax"), "1.00000", "2.00000"
    )


def _local(country: str, prefix: str, digits: int, count: int, area: str, city: str, region: str) -> Block:
    return Block(country, "local", prefix, digits, count, area, city, region, VOICE_FAX, "1.00000", "1.50000")


def _mobile(country: str, prefix: str, digits: int, count: int) -> Block:
    return Block(country, "mobile", prefix, digits, count, "", "", "", MOBILE, "3.00000", "4.00000")


def _free(country: str, kind: str, prefix: str, digits: int, count: int) -> Block:
    return Block(country, kind, prefix, digits, count, "", "", "", VOICE_ONLY, "5.00000", "8.00000")


BLOCKS: Sequence[Block] = (
    *_nanp("US", "CA", {"415": "SAN FRANCISCO", "310": "LOS ANGELES"}),
    *_nanp("US", "NY", {"212": "NEW YORK", "716": "BUFFALO"}),
    *_nanp("US", "IL", {"312": "CHICAGO"}),
    *_nanp("US", "WA", {"206": "SEATTLE"}),
    *_nanp("US", "FL", {"305": "MIAMI"}),
    *_nanp("US", "TX", {"512": "AUSTIN", "713": "HOUSTON"}),
    *_nanp("US", "MA", {"617": "BOSTON"}),
    *_nanp("US", "NV", {"702": "LAS VEGAS"}),
    *_nanp("US", "CO", {"303": "DENVER"}),
    *_nanp("US", "DC", {"202": "WASHINGTON"}),
    *(_toll_free(area) for area in ("833", "844", "855", "866", "877", "888")),
    *_nanp("CA", "ON", {"416": "TORONTO", "613": "OTTAWA"}),
    *_nanp("CA", "BC", {"604": "VANCOUVER"}),
    *_nanp("CA", "QC", {"514": "MONTREAL"}),
    _local("GB", "44207946", 4, 1000, "20", "LONDON", "ENGLAND"),
    _local("GB", "44161496", 4, 1000, "161", "MANCHESTER", "ENGLAND"),
    _local("GB", "44121496", 4, 1000, "121", "BIRMINGHAM", "ENGLAND"),
    _local("GB", "44131496", 4, 1000, "131", "EDINBURGH", "SCOTLAND"),
    _mobile("GB", "447700900", 3, 1000),
    _free("GB", "toll_free", "44808157", 4, 1000),
    _free("GB", "national", "443069990", 3, 1000),
    _local("DE", "493023125", 3, 1000, "30", "BERLIN", "BERLIN"),
    _local("DE", "496990009", 3, 1000, "69", "FRANKFURT AM MAIN", "HESSE"),
    _local("DE", "494066969", 3, 1000, "40", "HAMBURG", "HAMBURG"),
    _local("DE", "492214710", 3, 1000, "221", "COLOGNE", "NORTH RHINE-WESTPHALIA"),
    _local("DE", "498999998", 3, 1000, "89", "MUNICH", "BAVARIA"),
    _mobile("DE", "49176040690", 2, 100),
    _local("FR", "3319900", 4, 1000, "1", "PARIS", "ILE-DE-FRANCE"),
    _local("FR", "3326191", 4, 1000, "2", "RENNES", "BRITTANY"),
    _local("FR", "3346571", 4, 1000, "4", "LYON", "AUVERGNE-RHONE-ALPES"),
    _mobile("FR", "3363998", 4, 1000),
    _local("AU", "6125550", 4, 1000, "2", "SYDNEY", "NEW SOUTH WALES"),
    _local("AU", "6135550", 4, 1000, "3", "MELBOURNE", "VICTORIA"),
    _local("AU", "6175550", 4, 1000, "7", "BRISBANE", "QUEENSLAND"),
    _mobile("AU", "61491570", 3, 1000),
    _free("AU", "toll_free", "611800975", 3, 1000),
    _local("IE", "3532091", 5, 1000, "20", "", ""),
    _local("SE", "46846500", 3, 500, "8", "STOCKHOLM", "STOCKHOLM"),
    _mobile("SE", "4670174060", 1, 10),
)


@dataclass(frozen=True, slots=True)
class Query:
    """A search with Telnyx's filter names. Empty means any."""

    country_code: str
    phone_number_type: str = ""
    national_destination_code: str = ""
    locality: str = ""
    administrative_area: str = ""
    contains: str = ""
    starts_with: str = ""
    ends_with: str = ""
    features: tuple[str, ...] = ()
    limit: int = 100


def search(query: Query, taken: set[str]) -> list[tuple[str, Block]]:
    """Up to `limit` free numbers, taken from the blocks in turn, always in the same order."""
    found: list[tuple[str, Block]] = []
    runs = [[(number, block) for number in _matching(block, query, taken)] for block in BLOCKS if _fits(block, query)]
    for row in zip_longest(*runs):
        found.extend(entry for entry in row if entry is not None)
        if len(found) >= query.limit:
            break
    return found[: query.limit]


def block_of(number: str) -> Block | None:
    """The block that a number belongs to, or None if the exchange does not sell it."""
    for block in BLOCKS:
        start = f"+{block.prefix}"
        ending = number[len(start) :]
        if (
            number.startswith(start)
            and len(ending) == block.digits
            and ending.isdecimal()
            and int(ending) < block.count
        ):
            return block
    return None


def _fits(block: Block, query: Query) -> bool:
    return (
        block.country == query.country_code.upper()
        and query.phone_number_type in {"", block.kind}
        and query.national_destination_code in {"", block.area_code}
        and query.locality.upper() in block.city
        and query.administrative_area.upper() in {"", block.region}
        and set(query.features) <= set(block.features)
    )


def _matching(block: Block, query: Query, taken: set[str]) -> Iterator[str]:
    """Free numbers of a block that match the digits. If the query has an area code, only the digits after it are compared."""
    offset = number_start(block) if query.national_destination_code else 1
    for number in block.numbers():
        digits = number[offset:]
        if (
            number not in taken
            and query.contains in digits
            and digits.startswith(query.starts_with)
            and digits.endswith(query.ends_with)
        ):
            yield number


def number_start(block: Block) -> int:
    """The position of the subscriber number, after +, country code and area code."""
    return 1 + block.prefix.index(block.area_code, 1) + len(block.area_code) if block.area_code else 1
