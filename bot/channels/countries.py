"""What the phones of a country can do over an SMS provider abroad: answer, open a link.

The facts stand in `countries.json`; here they are only read and asked. Who sends to such a country: twilio.py.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bot.channels.contract import Need

_LINK = re.compile(r"https?://|www\.|[a-z0-9-]\.[a-z]{2,}/", re.IGNORECASE)


@dataclass(frozen=True)
class Country:
    """A country whose phones cannot do everything; `lacks` gives the reason for each need it cannot meet."""

    prefix: str
    name: str
    lacks: Mapping[Need, str]


def objection(address: str, needs: frozenset[Need]) -> str | None:
    """Why a message that needs this cannot go to this number; None: it can."""
    country = _country_of(address)
    if country is None:
        return None
    return next((country.lacks[need] for need in Need if need in needs and need in country.lacks), None)


def link_objection(address: str, body: str) -> str | None:
    """Why this text cannot go to this number: it holds a link; None: it can."""
    return objection(address, frozenset({Need.LINK})) if _LINK.search(body) else None


def parse_countries(content: str) -> tuple[Country, ...]:
    """Countries from JSON, the longest prefix first; ValueError names what is wrong."""
    table = json.loads(content)
    countries = [_country(prefix, entry) for prefix, entry in table.items() if not prefix.startswith("_")]
    return tuple(sorted(countries, key=lambda country: -len(country.prefix)))


def _country(prefix: str, entry: Mapping[str, Any]) -> Country:
    if not re.fullmatch(r"\+[1-9]\d*", prefix):
        raise ValueError(f"countries: {prefix!r} is not the beginning of a number, as +86 is")
    try:
        lacks = {Need(need): str(reason) for need, reason in entry["lacks"].items()}
        return Country(prefix, str(entry["country"]), lacks)
    except (KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"countries: {prefix}: needs country and lacks (of {', '.join(Need)}): {error}") from error


@cache
def _countries() -> tuple[Country, ...]:
    return parse_countries(files("bot.channels").joinpath("countries.json").read_text(encoding="utf-8"))


def _country_of(address: str) -> Country | None:
    return next((country for country in _countries() if address.startswith(country.prefix)), None)
