"""How a provider fails: by rate with a seed, the next few requests, or everything for one address.

Failures of the network happen at the socket, as they do in life: a reset is a reset and no answer of 500. Which
request fails is decided here; `serving.py` plays it.
"""

import random
import socket
import struct
from asyncio import Transport
from collections.abc import Mapping
from enum import StrEnum


class Fault(StrEnum):
    """One way to fail. BEFORE: the provider did nothing; AFTER: it did what was asked, and we cannot know."""

    TOO_MANY = "too_many"
    """429: never processed."""
    ERROR_BEFORE = "error_before"
    """500, nothing done."""
    ERROR_AFTER = "error_after"
    """500, but done."""
    TIMEOUT_BEFORE = "timeout_before"
    """No answer until the client gives up."""
    TIMEOUT_AFTER = "timeout_after"
    RESET_BEFORE = "reset_before"
    """The connection is reset."""
    RESET_AFTER = "reset_after"
    HALF_OPEN = "half_open"
    """Done; the answer's headers come, its body never does."""
    SLOW = "slow"
    """Done and answered only after `slow_seconds`, even if the client has gone by then."""


class Faults:
    """Chooses the fault of each request. May be changed at any time, from any thread."""

    def __init__(self, rates: Mapping[Fault, float] | None = None, seed: int = 0, slow_seconds: float = 2.0) -> None:
        """`rates`: the share of requests that fails in each way, together at most 1; `slow_seconds` of real time."""
        self.slow_seconds = slow_seconds
        self._rates: dict[Fault, float] = {}
        self._dice = random.Random(seed)  # noqa: S311 - faults must come again by their seed
        self._coming: list[Fault] = []
        self._addresses: dict[str, Fault] = {}
        self.rate(rates or {})

    def rate(self, rates: Mapping[Fault, float]) -> None:
        """From now on requests fail at these rates."""
        if sum(rates.values()) > 1:
            raise ValueError("the rates of all faults together must not be more than 1")
        self._rates = dict(rates)

    def next(self, fault: Fault, times: int = 1) -> None:
        """The next requests fail so, after those that were asked for before."""
        self._coming.extend([fault] * times)

    def address(self, address: str, fault: Fault | None) -> None:
        """From now on every request about this address fails so; None: it works again."""
        if fault is None:
            self._addresses.pop(address, None)
        else:
            self._addresses[address] = fault

    def choose(self, address: str) -> Fault | None:
        """The fault of this request, None for most."""
        if address in self._addresses:
            return self._addresses[address]
        if self._coming:
            return self._coming.pop(0)
        if self._rates:
            return self._by_rate()
        return None

    def _by_rate(self) -> Fault | None:
        thrown = self._dice.random()
        for fault, rate in self._rates.items():
            thrown -= rate
            if thrown < 0:
                return fault
        return None


def reset(transport: Transport) -> None:
    """Tear the connection down by RST: lingering for no time makes the kernel drop it instead of closing it."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
