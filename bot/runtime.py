"""Everything a journey step needs, in one value: settings, clock, database, channels, programs, dice."""

import random
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from bot.channels.contract import Channel
from bot.clock import Clock
from bot.config import Settings
from bot.shelf import Shelf
from bot.store.db import Database
from flows.calendar import Calendar
from flows.program import Program

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
"""Without look-alikes: people read links aloud."""


class Dice:
    """Random ids: unguessable in earnest, the same each time in a rehearsal with a seed."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311
        self.seed = secrets.token_hex(8) if seed is None else str(seed)

    def attempt_id(self) -> str:
        """128 random bits in hexadecimal."""
        return f"{self._random.getrandbits(128):032x}"

    def token(self) -> str:
        """A survey's link: 12 characters, 59 bits."""
        return "".join(self._random.choice(_ALPHABET) for _ in range(12))


@dataclass
class Runtime:
    """What `bootstrap.py` puts together; the same for a real run, the town and a rehearsal."""

    settings: Settings
    clock: Clock
    db: Database
    channels: Mapping[str, Channel]
    shelf: Shelf
    dice: Dice = field(default_factory=Dice)
    calendars: dict[tuple[str, tuple[str, ...]], Calendar] = field(default_factory=dict)

    def calendar(self, program: Program) -> Calendar:
        """The calendar of off days of a program: of its region, with its own workweek."""
        known = program.region, program.workweek
        if known not in self.calendars:
            self.calendars[known] = program.calendar()
        return self.calendars[known]

    def today(self, zone: str) -> date:
        """The present date in a zone."""
        return self.clock.now().astimezone(ZoneInfo(zone)).date()

    def survey_link(self, token: str) -> str:
        """The address of a survey page."""
        return f"{self.settings.public_url.rstrip('/')}/s/{token}"
