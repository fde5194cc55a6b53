"""The first price list of numbers. From here on it is data: staff edit it in the admin."""

from decimal import Decimal

# Country: {type: what setup and each month cost}. Above what carriers ask for such numbers.
PRICES = {
    "US": {"local": 3, "toll_free": 4},
    "CA": {"local": 3},
    "GB": {"local": 3, "mobile": 6, "national": 12, "toll_free": 12},
    "DE": {"local": 3, "mobile": 6},
    "FR": {"local": 3, "mobile": 6},
    "AU": {"local": 3, "mobile": 6, "toll_free": 12},
    "IE": {"local": 3},
    "SE": {"local": 3, "mobile": 6},
    "NL": {"local": 4},
    "ES": {"local": 4},
    "IT": {"local": 4},
    "AT": {"local": 4},
    "BE": {"local": 4},
    "PL": {"local": 4},
}


def add_prices(apps, schema_editor):
    prices = apps.get_model("numbers", "NumberPrice").objects
    for country_code, kinds in PRICES.items():
        for number_type, cost in kinds.items():
            prices.create(
                country_code=country_code,
                number_type=number_type,
                setup_cost=Decimal(cost),
                monthly_cost=Decimal(cost),
            )
