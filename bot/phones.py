"""What a phone number says of itself."""

from functools import lru_cache

import phonenumbers


@lru_cache(maxsize=10_000)
def country_of(address: str) -> str | None:
    """The country of a phone number (ISO 3166), or None."""
    try:
        number = phonenumbers.parse(address, None)
    except phonenumbers.NumberParseException:
        return None
    return phonenumbers.region_code_for_number(number) or phonenumbers.region_code_for_country_code(
        number.country_code or 0
    )


def forbidden_country(allowed: str, address: str) -> str | None:
    """Why this number may not be messaged at all; None: it may. `allowed`: countries with commas between, or all."""
    names = {each.strip().upper() for each in allowed.split(",") if each.strip()}
    if not names or not address.startswith("+"):
        return None
    country = country_of(address)
    return None if country in names else f"messages to {country or 'this country'} are not allowed"
