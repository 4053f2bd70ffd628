"""What would be sent in the coming days, in whose words, at what cost, and who is left out by which rule."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from bot.forecast import Forecast, ForecastLine, minutes
from bot.forecast import forecast as look_ahead
from bot.web.access import console
from bot.web.site import Site, site_of, words_for
from bot.words import Words

router = APIRouter(dependencies=[Depends(console)])

SPANS = (7, 30, 90)
"""Days that the page offers to look ahead."""
COLOURS = 6
"""Colours of the bars; the sixth stands for all other flows."""


@dataclass(frozen=True)
class Piece:
    """One colour of one bar: `top` and `height` as shares of the tallest bar."""

    title: str
    count: int
    colour: int
    top: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One day of the picture."""

    day: date
    total: int
    pieces: tuple[Piece, ...]
    provisional: bool
    off: bool


@router.get("/forecast")
def show_forecast(request: Request, days: str = "30") -> Response:
    """The next days as bars, then line by line; it writes nothing."""
    site, words = site_of(request), words_for(request)
    span = int(days) if days.isdecimal() and int(days[:4]) in SPANS else 30
    ahead = look_ahead(site.runtime, span)
    keyed = [(_key(line), line) for line in ahead.lines if line.is_message]
    tasks = [(_key(line), line) for line in ahead.lines if not line.is_message and line.channel]
    titles = _titles(site, words, [*keyed, *tasks])
    colours = _colours(keyed)
    left_out = [
        (site.program_name(each.program_id, words), site.flow_title(each.program_id, each.flow, words), each)
        for each in sorted(ahead.left_out, key=lambda each: -each.count)
        if each.count
    ]
    return site.console_page(
        request,
        "forecast.html",
        spans=SPANS,
        span=span,
        bars=_bars(site, ahead, keyed, titles, colours),
        legend=_legend(words, titles, colours),
        lines=keyed,
        tasks=tasks,
        loads=[(load, minutes(load.takes), minutes(load.open_for)) for load in ahead.loads],
        titles=titles,
        colours=colours,
        left_out=left_out,
        totals=_totals(ahead),
        provisional=sorted({line.day.year for line in ahead.lines if line.provisional}),
        currency=site.runtime.settings.currency,
    )


Key = tuple[str, str, str]
Keyed = tuple[Key, ForecastLine]


def _key(line: ForecastLine) -> Key:
    """Greetings of one flow go by their festival: one template each."""
    return line.program_id, line.flow, line.festival


def _titles(site: Site, words: Words, keyed: Sequence[Keyed]) -> dict[Key, str]:
    """(program, flow, festival) -> what is sent, by its title."""
    return {
        key: site.flow_title(key[0], key[1], words, f"festival:{key[2]}" if key[2] else "")
        for key in {key for key, _ in keyed}
    }


def _colours(keyed: Sequence[Keyed]) -> dict[Key, int]:
    """The flows that send most have a colour of their own."""
    totals: dict[Key, int] = defaultdict(int)
    for key, line in keyed:
        totals[key] += line.count
    ranked = sorted(totals, key=lambda key: -totals[key])
    return {key: min(rank + 1, COLOURS) for rank, key in enumerate(ranked)}


def _legend(words: Words, titles: dict[Key, str], colours: dict[Key, int]) -> list[tuple[int, str]]:
    named: dict[int, str] = {}
    for key, colour in sorted(colours.items(), key=lambda pair: pair[1]):
        named[colour] = titles[key] if colour < COLOURS or colour not in named else words("forecast.others")
    return sorted(named.items())


def _bars(
    site: Site, ahead: Forecast, keyed: Sequence[Keyed], titles: dict[Key, str], colours: dict[Key, int]
) -> list[Bar]:
    tallest = max(1, *ahead.per_day().values())
    calendar = site.runtime.calendar(site.runtime.shelf.in_force[0].program) if ahead.lines else None
    bars = []
    for offset in range(ahead.days):
        day = ahead.start + timedelta(days=offset)
        lines = sorted((pair for pair in keyed if pair[1].day == day), key=lambda pair: colours[pair[0]])
        pieces: list[Piece] = []
        top = 1.0
        for key, line in lines:
            height = line.count / tallest
            top -= height
            pieces.append(Piece(titles[key], line.count, colours[key], top, height))
        provisional = any(line.provisional for _, line in lines)
        off = calendar is not None and not calendar.is_workday(day)
        bars.append(Bar(day, sum(line.count for _, line in lines), tuple(pieces), provisional, off))
    return bars


def _totals(ahead: Forecast) -> dict[str, Any]:
    return {
        "messages": sum(ahead.per_day().values()),
        "segments": sum(line.segments for line in ahead.lines),
        "cost": sum((line.cost for line in ahead.lines), Decimal(0)),
    }
