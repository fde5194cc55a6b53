"""The number of each developer's browser handset at the built-in exchange."""

# NANPA keeps 555-0100 to 555-0199 of every area code free for fiction. The exchange sells no numbers of these areas.
AREA_CODES = ("907", "808", "503", "505", "602", "615", "801", "704", "208", "307")
PER_AREA = 100


def handset_number(developer_id: int) -> str:
    """E.164, always the same for a developer. After a thousand developers they repeat, which a local exchange can live with."""
    area, ending = divmod(developer_id % (len(AREA_CODES) * PER_AREA), PER_AREA)
    return f"+1{AREA_CODES[area]}55501{ending:02d}"
