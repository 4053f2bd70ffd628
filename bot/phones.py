"""Phone numbers: one spelling for each, the country they are of, and whether that may be messaged."""

from functools import lru_cache

import phonenumbers


def normalise_phone(text: str, region: str) -> str | None:
    """A number as E.164, or None when it cannot be one, such as a mobile number that lacks digits.

    Numbers that nobody has, but that are as long as a mobile one of their country, are numbers, too: those of fiction.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    as_mobile = phonenumbers.is_possible_number_for_type(number, phonenumbers.PhoneNumberType.MOBILE)
    if not (as_mobile or phonenumbers.is_valid_number(number)):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


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
