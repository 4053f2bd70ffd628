"""A scenario is lived through in simulated time by the product's own code: `huifang rehearse`, and how tests tell
their stories. Throw-away database, phones in memory, dice with a seed; the configured data is never touched.
"""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.bootstrap import simulated_runtime
from bot.clock import SimulatedClock
from bot.config import Settings
from bot.errors import InputError
from bot.rehearsal.scenario import Answering, Person, Scenario, Step, read_scenario
from bot.rehearsal.stage import Stage
from bot.rehearsal.timeline import counts, timeline_of, unmet
from bot.shelf import stock_texts
from bot.store.db import MEMORY, throw_away
from bot.store.migrate import migrate
from flows.load import load_program, override_text

__all__ = ["Answering", "Outcome", "Person", "Scenario", "Step", "read_scenario", "rehearse"]


@dataclass(frozen=True)
class Outcome:
    """The timeline, and which expectations did not come true."""

    lines: tuple[dict[str, Any], ...]
    unmet: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


def rehearse(
    scenario: Scenario,
    texts: Mapping[str, str],
    settings: Settings,
    *,
    url: str = MEMORY,
    progress: Callable[[datetime], None] | None = None,
    timeline: bool = True,
) -> Outcome:
    """Live through a scenario in a throw-away database of the kind of `url`; nothing else is touched.

    Without `timeline` only the counts are told.
    """
    versions = _with_overrides(scenario, texts)
    zone = load_program(next(iter(versions.values())), next(iter(versions))).time_zone
    start = scenario.start if scenario.start.tzinfo else scenario.start.replace(tzinfo=zone)
    clock = SimulatedClock(start)
    with throw_away(url) as db:
        migrate(db)
        runtime = simulated_runtime(settings, db, clock, stock_texts(db, versions, clock.now()), scenario.seed)
        runtime.shelf.refresh()
        stage = Stage(scenario, runtime, clock)
        with _collected_rarely():
            asyncio.run(stage.live(progress))
        lines = tuple(timeline_of(stage)) if timeline else ()
        return Outcome(lines, tuple(unmet(scenario.expect, lines, stage.zone, stage.called)), counts(stage))


@contextmanager
def _collected_rarely() -> Iterator[None]:
    """A rehearsal makes many small objects that reference counting frees; looking for cycles among them costs 5 %."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _with_overrides(scenario: Scenario, texts: Mapping[str, str]) -> dict[str, str]:
    """The programs' YAML with overrides: `field: value` or, with several programs, `id: {field: value}`."""
    by_program: dict[str, dict[str, Any]] = {file: {} for file in texts}
    ids = {load_program(text, file).id: file for file, text in texts.items()}
    for name, value in scenario.overrides.items():
        head, _, rest = name.partition(".")
        if head in ids and rest:
            by_program[ids[head]][rest] = value
        elif head in ids and isinstance(value, dict):
            by_program[ids[head]].update(value)
        elif len(ids) == 1:
            by_program[next(iter(ids.values()))][name] = value
        else:
            remedy = f"begin with {', '.join(ids)}"
            raise InputError([scenario.fault(("overrides", name), "belongs to no program", remedy)])
    return {file: override_text(text, file, by_program[file]) for file, text in texts.items()}
