"""The process that is killed: opens a runtime on a real database, does due work, and dies by SIGKILL at one point.

Run by test_killed.py: python killed.py URL SCHEMA LEDGER NOW POINT
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.bootstrap import simulated_runtime
from bot.channels.simulator import Simulator
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.jobs.simulated import work_until_idle
from bot.runtime import Runtime
from bot.shelf import stock
from bot.store import messages
from bot.store.db import Database

PROGRAMS = ["retail_aftersales", "auto_repair", "hospital"]


def open_on(url: str, schema: str | None, ledger: Path, now: datetime) -> Runtime:
    """A runtime on an existing database whose phones remember across deaths."""
    clock = SimulatedClock(now)
    db = Database(url, schema)
    settings = Settings.model_construct(**{name: field.default for name, field in Settings.model_fields.items()})
    runtime = simulated_runtime(settings, db, clock, stock(db, PROGRAMS, now), seed=None)
    runtime.channels = {"sms": Simulator(clock, ledger)}
    runtime.shelf.refresh()
    return runtime


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(step: Callable[..., Any]) -> Callable[..., Any]:
    """Do the step, then die before anything else happens."""

    def wrapped(*args: Any, **known: Any) -> Any:
        step(*args, **known)
        die()

    return wrapped


def arrange_death(point: str) -> None:
    """Mark the point at which this process dies."""
    if point == "before the claim commits":
        messages.claim = after(messages.claim)
    elif point == "after the claim":
        Simulator.send = die  # type: ignore[assignment,method-assign]
    elif point == "after the provider accepted":
        send = Simulator.send

        async def send_and_die(self: Simulator, message: Any) -> Any:
            await send(self, message)
            die()

        Simulator.send = send_and_die  # type: ignore[assignment,method-assign]
    elif point == "before the outcome commits":
        messages.settle = after(messages.settle)
    else:
        raise SystemExit(f"unknown point {point!r}")


if __name__ == "__main__":
    url, schema, ledger, now, point = sys.argv[1:]
    runtime = open_on(url, schema or None, Path(ledger), datetime.fromisoformat(now))
    arrange_death(point)
    asyncio.run(work_until_idle(runtime))
    raise SystemExit("nothing was due: the process outlived its death")
