"""Seconds and memory of this process, as the operating system accounts for them."""

import resource
import sys
import time
from pathlib import Path


def seconds() -> float:
    """A clock for measuring, no instant of the business: only benches may read it."""
    return time.perf_counter()


def processor_seconds() -> float:
    """Processor time of this process: what one core spent on it, whatever else the machine did meanwhile."""
    return time.process_time()


def peak_megabytes() -> float:
    """The most memory that this process has held so far (RSS), in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def megabytes() -> float:
    """The memory that this process holds now (RSS), in MB; where the system does not tell, the most so far."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return peak_megabytes()
    return float(status.partition("VmRSS:")[2].split()[0]) / 1024
