"""The table of repeated work. Every function in it is idempotent, does a bounded batch per call, and may run on
several machines at once; engines only call it. `due` tells when it has something to do, so that simulated time can
jump there; None: nothing.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.journey import (
    archive,
    callbacks,
    doubt,
    inbox,
    lapses,
    notices,
    occasions,
    outreach,
    quotas,
    receipts,
    replies,
    scheduled,
    senders,
    sending,
    tasks,
    ticket_tasks,
)
from bot.runtime import Runtime
from bot.store.agenda import Agenda


@dataclass(frozen=True)
class Work:
    """One kind of work: `seconds` between ticks in real time; `run` answers how many things it looked at.

    `apart`: parts that an engine may do side by side, each named to `run` as its second argument; none: all at once.
    """

    name: str
    seconds: float
    run: Callable[..., int | Awaitable[int]]
    due: Callable[[Runtime, Agenda], datetime | None]
    apart: Callable[[Runtime], Iterable[str]] = lambda _: ()


def never(_runtime: Runtime, _agenda: Agenda) -> None:
    """In simulated time there is nothing to do: it is about real providers, machines and minutes."""


WORK: tuple[Work, ...] = (
    Work("drain the spool", 1, inbox.drain_spool, never),
    Work("read replies", 1, replies.read_waiting, lambda _, agenda: agenda.unread),
    Work("plan occasions", 60, occasions.plan_occasions, lambda _, agenda: occasions.next_planning(agenda)),
    Work("prepare due follow-ups", 1, outreach.prepare_due, lambda _, agenda: agenda.follow_up),
    Work("send pings", 1, callbacks.send_due_pings, lambda _, agenda: agenda.ping),
    Work("go on with tasks of tickets", 1, ticket_tasks.go_on, lambda _, agenda: agenda.ticket_task),
    Work("look at quotas", 60, quotas.check_due, lambda _, agenda: agenda.checking),
    Work("tell of missing tasks", 60, tasks.tell_missing, lambda _, agenda: agenda.missing),
    Work("dispatch", 1, sending.dispatch, senders.next_dispatch, apart=lambda runtime: runtime.channels),
    Work("reconcile", 5, doubt.reconcile, lambda _, agenda: agenda.doubt),
    Work("withdraw", 1, scheduled.withdraw, never),
    Work("audit", 10, scheduled.audit, never),
    Work("chase receipts", 60, receipts.chase_receipts, never),
    Work("lapse surveys", 60, lapses.lapse_surveys, lambda _, agenda: agenda.closing),
    Work("delete what need not be kept", 60, archive.purge, lambda _, agenda: agenda.deletion),
    Work("sweep inbound", 3600, inbox.sweep_inbound, never),
    Work("watch for silence", 60, notices.watch_silence, never),
)
"""In the order in which a customer would wish it: answers first."""
