"""`huifang bench NAME`: what the product costs, each figure beside its floor from the same run where it has one."""

from collections.abc import Callable, Iterator, Mapping

from bot.bench.dispatch import bench_dispatch
from bot.bench.inbound import bench_inbound
from bot.bench.intake import bench_intake
from bot.bench.plan import bench_plan
from bot.bench.reading import bench_reading
from bot.bench.rehearse import bench_rehearse

BENCHES: Mapping[str, Callable[[int], Iterator[str]]] = {
    "rehearse": bench_rehearse,
    "intake": bench_intake,
    "plan": bench_plan,
    "reading": bench_reading,
    "dispatch": bench_dispatch,
    "inbound": bench_inbound,
}
"""Name -> bench; each takes a size (0: that of the promise) and yields lines to print."""
