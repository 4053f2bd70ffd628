"""The processes of a trial: the provider, the web server that hears its receipts, senders and reconcilers.

Each opens everything anew, as after a death. A sender or reconciler never ends by itself: it is killed. All of them
are forked from one server that has loaded the libraries already, or two hundred deaths would cost half an hour.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn

from bot.bootstrap import open_runtime, pick_clock
from bot.channels import twilio
from bot.channels.fakes.faults import Fault, Faults
from bot.channels.fakes.ledger import Ledger
from bot.channels.fakes.serving import Plugged
from bot.channels.fakes.twilio import FakeTwilio
from bot.channels.fakes.twilio_webhooks import Callbacks
from bot.journey import doubt, inbox, scheduled, sending
from bot.logs import configure_logs
from bot.runtime import Runtime
from bot.store.db import PASSING
from bot.web.server import make_app
from tests.proof.trial import ACCOUNT, NUMBERS, SERVICE, TOKEN, Trial

IDLE = 0.05
"""Real seconds until a process that found nothing to do looks again."""
LIST_LAG = 20.0
"""Seconds of the clock until a message shows in the provider's list."""
Work = Callable[[Runtime], Awaitable[int]]


# ----- the provider


class CountedFaults(Faults):
    """Faults at a rate, counted as they are thrown."""

    def __init__(self, trial: Trial) -> None:
        super().__init__({fault: trial.faults / len(Fault) for fault in Fault}, trial.seed, trial.call_seconds * 0.9)
        self.thrown: Counter[str] = Counter()

    def choose(self, address: str) -> Fault | None:
        fault = super().choose(address)
        self.thrown[str(fault or "none")] += 1
        return fault


def be_provider(trial: Trial, line: Connection) -> None:
    """Tell the address; until asked, take messages; then tell which faults were thrown, how often."""
    faults = CountedFaults(trial)
    provider = FakeTwilio(
        pick_clock(trial.settings()),
        ACCOUNT,
        TOKEN,
        numbers=NUMBERS,
        service=SERVICE,
        ledger=Ledger(trial.ledger),
        faults=faults,
        callbacks=Callbacks(delay=1.0, out_of_order=0.2, duplicated=0.1, lost=0.1, seed=trial.seed),
        list_lag=LIST_LAG,
    )
    with Plugged(provider) as plugged:
        line.send(plugged.url)
        line.recv()
    line.send(dict(faults.thrown))


# ----- ours


def be_web(trial: Trial, line: Connection) -> None:
    """Tell the address, and hear receipts until told to end."""
    listener = uvicorn.Config("", host="127.0.0.1", port=0, log_level="critical").bind_socket()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    runtime = _open(trial, "", url)
    server = uvicorn.Server(uvicorn.Config(make_app(runtime), log_level="critical", access_log=False))
    line.send(url)
    server.run(sockets=[listener])


def be_sender(trial: Trial, twilio_url: str, public_url: str) -> None:
    """Dispatch, for ever."""
    runtime = _open(trial, twilio_url, public_url)
    asyncio.run(_repeat(runtime, partial(sending.dispatch, limit=trial.batch)))


def be_reconciler(trial: Trial, twilio_url: str, public_url: str) -> None:
    """Resolve doubts, take back second copies, and put into the database what the spool holds, for ever."""
    runtime = _open(trial, twilio_url, public_url)
    asyncio.run(_repeat(runtime, doubt.reconcile, scheduled.audit, scheduled.withdraw, _drain))


async def _drain(runtime: Runtime) -> int:
    return await asyncio.to_thread(inbox.drain_spool, runtime)


def _open(trial: Trial, twilio_url: str, public_url: str) -> Runtime:
    configure_logs("ERROR")
    # the ten seconds that a call may take are real ones: the clock runs faster
    vars(twilio)["TwilioChannel"] = partial(twilio.TwilioChannel, timeout=trial.call_seconds)
    while True:
        try:
            return open_runtime(trial.settings(twilio_url, public_url))
        except PASSING:  # a frozen process holds SQLite's only pen: whoever watches over services starts this one again
            continue


async def _repeat(runtime: Runtime, *works: Work) -> None:
    """As the engines do: again while there is something to do; trouble of the database passes."""
    await asyncio.gather(*(_repeat_one(runtime, work) for work in works))


async def _repeat_one(runtime: Runtime, work: Work) -> None:
    while True:
        try:
            count = await work(runtime)
        except PASSING:
            count = 0
        if not count:
            await asyncio.sleep(IDLE)


# ----- how they are started, killed and frozen


@dataclass
class Victim:
    """A process that is killed and started again, any number of times."""

    target: Callable[..., None]
    given: tuple[Any, ...]

    def __post_init__(self) -> None:
        self._process = start(self.target, *self.given)

    def kill(self) -> None:
        """SIGKILL, and a new one at once."""
        self.end()
        self._process = start(self.target, *self.given)

    def freeze(self, frozen: bool) -> None:
        """Stand still in the middle of whatever it does; or go on."""
        os.kill(self._process.pid or 0, signal.SIGSTOP if frozen else signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.join()

    @property
    def has_died(self) -> bool:
        """Did it end by itself?"""
        return not self._process.is_alive()


def start(target: Callable[..., None], *given: Any) -> BaseProcess:
    process: BaseProcess = _context().Process(target=target, args=given, daemon=True)
    process.start()
    return process


def pipe() -> tuple[Connection, Connection]:
    """(ours, theirs)."""
    ours, theirs = _context().Pipe()
    return ours, theirs


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.proof.warm"])
    return context


def asked(line: Connection, seconds: float = 60.0) -> Any:
    """What a process says; TimeoutError when it says nothing."""
    if not line.poll(seconds):
        raise TimeoutError("a process of the trial says nothing")
    return line.recv()


def thrown(line: Connection) -> Mapping[str, int]:
    """End the provider: which faults it has thrown, how often."""
    line.send("end")
    told: Mapping[str, int] = asked(line)
    return told
