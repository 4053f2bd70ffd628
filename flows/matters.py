"""Which kind of matter an event is about that names none, by what the program does with it.

Pure. Which matter of that kind it is: bot/journey/intake.py.
"""

from collections.abc import Mapping
from typing import Any

from flows.chains import until_of
from flows.program import Program
from flows.selections import date_of
from flows.triggers import AfterEvent, OnDate


def kind_meant(program: Program, event_type: str) -> str:
    """The kind of matter whose dates or state the event sets, or with whose date its chain ends; empty: none.

    Only where something counts from that kind's dates: without a matter the event would change nothing there, or its
    chain would have no end.
    """
    sets = {target.partition(".")[0] for target in program.events[event_type].sets if "." in target}
    counted, ends = set(), set()
    for flow in program.flows:
        until = until_of(flow)
        counted |= {date_of(name).matter for name in (until, flow.on.date if isinstance(flow.on, OnDate) else "")}
        if isinstance(flow.on, AfterEvent) and flow.on.event == event_type:
            ends.add(date_of(until).matter)
    return next((kind for kind in program.matters if kind in sets & counted | ends), "")


def tells_a_date(program: Program, event_type: str, data: Mapping[str, Any], kind: str) -> bool:
    """Does this event say a date of a matter of this kind?"""
    named = {
        name
        for target, name in program.events[event_type].sets.items()
        if target.startswith(f"{kind}.") and not target.endswith(".state")
    }
    return "at" in named or any(data.get(name) for name in named)
