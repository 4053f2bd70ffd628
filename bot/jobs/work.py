"""The table of repeated work. Every function in it is idempotent, does a bounded batch per call, and may run on
several machines at once; engines only call it. `due` tells when it has something to do, so that simulated time can
jump there; None: nothing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.journey import callbacks, intake, outreach, replies
from bot.runtime import Runtime


@dataclass(frozen=True)
class Work:
    """One kind of work: `seconds` between ticks in real time; `run` answers how many things it looked at."""

    name: str
    seconds: float
    run: Callable[[Runtime], int | Awaitable[int]]
    due: Callable[[Runtime], datetime | None]


WORK: tuple[Work, ...] = (
    Work("read replies", 1, replies.read_waiting, replies.next_reading),
    Work("plan occasions", 60, intake.plan_occasions, intake.next_planning),
    Work("prepare due follow-ups", 1, outreach.prepare_due, outreach.next_prepare),
    Work("send pings", 1, callbacks.send_due_pings, callbacks.next_ping),
    Work("dispatch", 1, outreach.dispatch, outreach.next_dispatch),
    Work("reconcile", 10, outreach.reconcile, outreach.next_reconcile),
    Work("lapse surveys", 60, outreach.lapse_surveys, outreach.next_lapse),
)
"""In the order in which a customer would wish it: answers first."""
