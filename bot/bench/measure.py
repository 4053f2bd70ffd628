"""Seconds and memory of this process, as the operating system accounts for them."""

import resource
import sys
import time


def seconds() -> float:
    """A clock for measuring, no instant of the business: only benches may read it."""
    return time.perf_counter()


def peak_megabytes() -> float:
    """The most memory that this process has held so far (RSS), in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
