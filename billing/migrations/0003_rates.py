"""The first prices per started minute. From here on they are data: staff edit them in the admin."""

from datetime import UTC, datetime
from decimal import Decimal

from django.db import migrations

VALID_FROM = datetime(2026, 1, 1, tzinfo=UTC)
# An inbound call is charged by the number of ours that is called; any country in which a number can be held has this price.
INBOUND = {"": ("Any other country", "0.04"), "1": ("United States and Canada", "0.04")}
# Prefix of the dialled number, by ITU-T E.164; a longer one is an exception to a shorter one.
OUTBOUND = {
    "1": ("United States and Canada", "0.05"),
    "27": ("South Africa", "0.12"),
    "30": ("Greece", "0.08"),
    "3069": ("Greece, mobile", "0.12"),
    "31": ("Netherlands", "0.07"),
    "316": ("Netherlands, mobile", "0.12"),
    "32": ("Belgium", "0.08"),
    "324": ("Belgium, mobile", "0.14"),
    "33": ("France", "0.06"),
    "336": ("France, mobile", "0.10"),
    "337": ("France, mobile", "0.10"),
    "34": ("Spain", "0.06"),
    "346": ("Spain, mobile", "0.10"),
    "351": ("Portugal", "0.06"),
    "3519": ("Portugal, mobile", "0.10"),
    "352": ("Luxembourg", "0.10"),
    "353": ("Ireland", "0.06"),
    "3538": ("Ireland, mobile", "0.10"),
    "354": ("Iceland", "0.10"),
    "358": ("Finland", "0.12"),
    "36": ("Hungary", "0.08"),
    "370": ("Lithuania", "0.12"),
    "371": ("Latvia", "0.14"),
    "372": ("Estonia", "0.14"),
    "385": ("Croatia", "0.12"),
    "386": ("Slovenia", "0.14"),
    "39": ("Italy", "0.06"),
    "393": ("Italy, mobile", "0.12"),
    "40": ("Romania", "0.08"),
    "41": ("Switzerland", "0.08"),
    "417": ("Switzerland, mobile", "0.20"),
    "420": ("Czechia", "0.08"),
    "421": ("Slovakia", "0.08"),
    "43": ("Austria", "0.08"),
    "436": ("Austria, mobile", "0.14"),
    "44": ("United Kingdom", "0.06"),
    "447": ("United Kingdom, mobile", "0.10"),
    "45": ("Denmark", "0.08"),
    "46": ("Sweden", "0.06"),
    "467": ("Sweden, mobile", "0.10"),
    "47": ("Norway", "0.08"),
    "48": ("Poland", "0.07"),
    "49": ("Germany", "0.06"),
    "4915": ("Germany, mobile", "0.10"),
    "4916": ("Germany, mobile", "0.10"),
    "4917": ("Germany, mobile", "0.10"),
    "52": ("Mexico", "0.07"),
    "54": ("Argentina", "0.12"),
    "55": ("Brazil", "0.08"),
    "56": ("Chile", "0.10"),
    "57": ("Colombia", "0.10"),
    "60": ("Malaysia", "0.08"),
    "61": ("Australia", "0.06"),
    "614": ("Australia, mobile", "0.10"),
    "62": ("Indonesia", "0.12"),
    "63": ("Philippines", "0.20"),
    "64": ("New Zealand", "0.07"),
    "642": ("New Zealand, mobile", "0.12"),
    "65": ("Singapore", "0.06"),
    "66": ("Thailand", "0.08"),
    "81": ("Japan", "0.10"),
    "8170": ("Japan, mobile", "0.20"),
    "8180": ("Japan, mobile", "0.20"),
    "8190": ("Japan, mobile", "0.20"),
    "82": ("South Korea", "0.08"),
    "852": ("Hong Kong", "0.08"),
    "886": ("Taiwan", "0.10"),
    "90": ("Turkey", "0.20"),
    "91": ("India", "0.08"),
    "971": ("United Arab Emirates", "0.30"),
    "972": ("Israel", "0.08"),
    # Countries that share +1 with the United States and Canada, at prices of their own.
    **dict.fromkeys(("1787", "1939"), ("Puerto Rico", "0.07")),
    **dict.fromkeys(("1809", "1829", "1849"), ("Dominican Republic", "0.20")),
    **dict.fromkeys(("1658", "1876"), ("Jamaica", "0.40")),
    "1242": ("Bahamas", "0.40"),
    "1246": ("Barbados", "0.40"),
    "1264": ("Anguilla", "0.40"),
    "1268": ("Antigua and Barbuda", "0.40"),
    "1284": ("British Virgin Islands", "0.40"),
    "1340": ("US Virgin Islands", "0.07"),
    "1345": ("Cayman Islands", "0.40"),
    "1441": ("Bermuda", "0.15"),
    "1473": ("Grenada", "0.45"),
    "1649": ("Turks and Caicos Islands", "0.40"),
    "1664": ("Montserrat", "0.45"),
    "1670": ("Northern Mariana Islands", "0.10"),
    "1671": ("Guam", "0.10"),
    "1684": ("American Samoa", "0.15"),
    "1721": ("Sint Maarten", "0.40"),
    "1758": ("Saint Lucia", "0.45"),
    "1767": ("Dominica", "0.45"),
    "1784": ("Saint Vincent and the Grenadines", "0.45"),
    "1868": ("Trinidad and Tobago", "0.40"),
    "1869": ("Saint Kitts and Nevis", "0.45"),
}


def add_rates(apps, schema_editor):
    rates = apps.get_model("billing", "TelephonyRate").objects
    for direction, table in (("inbound", INBOUND), ("outbound", OUTBOUND)):
        for prefix, (description, price) in table.items():
            rates.get_or_create(
                direction=direction,
                prefix=prefix,
                valid_from=VALID_FROM,
                defaults={"price_per_minute": Decimal(price), "description": description},
            )


def remove_rates(apps, schema_editor):
    apps.get_model("billing", "TelephonyRate").objects.filter(valid_from=VALID_FROM).delete()


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_append_only")]

    operations = [migrations.RunPython(add_rates, remove_rates)]
