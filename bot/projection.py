"""How many follow-ups come due on each day: what stands planned, and what the planner will plan as the days go by.

The later steps of chains and cadences are counted from the dates before them; random draws are drawn, with the
planner's own seed. It writes nothing, and knows nothing of words or prices: `forecast.py` adds those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlmodel import Session

from bot.journey import occasions
from bot.runtime import Runtime
from bot.shelf import InForce
from bot.store import outlook, selections
from bot.store.outlook import Chain, Greeted, Open
from flows import plan
from flows.calendar import Calendar
from flows.chains import Step, is_chain, next_step
from flows.decisions import Group, Selection
from flows.offsets import DAY, add
from flows.program import Flow, Program
from flows.recurrence import following
from flows.resurvey import FLOW as RESURVEY
from flows.rounds import Draw
from flows.selections import counts_from, date_of
from flows.timing import Slot
from flows.triggers import AfterEvent, Every, Round, Sample, Wave
from messages.catalog import Purpose

Once = tuple[str, date | None, bool | None, tuple[int, int] | None, str]
"""What makes a group one: zone, anchor, annoyed, part, occasion."""


@dataclass(frozen=True)
class Key:
    """What is counted together: `sort` is the channel it goes by, or the rule that keeps it back."""

    program_id: str
    flow: str
    day: date
    festival: str
    sort: str


@dataclass
class Projection:
    """So many of each kind, and the earliest instant of each; `start` and `end` are days, `end` is no more of it."""

    runtime: Runtime
    session: Session
    now: datetime
    start: date
    end: date
    counts: dict[Key, int] = field(default_factory=dict)
    due_at: dict[Key, datetime] = field(default_factory=dict)
    _greeted: dict[tuple[str, str], list[Greeted]] = field(default_factory=dict)

    def run(self) -> None:
        """Count everything that is due in the span."""
        until = self.now + (self.end - self.start + DAY)
        for step in outlook.planned_steps(self.session, until):
            self._count_planned(step, until)
        for in_force in self.runtime.shelf.in_force:
            for flow in in_force.program.flows:
                if counts_from(flow) is not None:
                    self._count_selections(in_force, flow)
                self._count_draws(in_force, flow)

    def _note(self, program: Program, flow: str, slot: Slot, sorts: Mapping[str, int], occasion: str = "") -> None:
        kind, _, rest = occasion.partition(":")
        festival = rest.split(":")[0] if kind == "festival" else ""
        for sort, count in sorts.items():
            key = Key(program.id, flow, slot.intended_on, festival, sort)
            if count and self.start <= slot.intended_on < self.end:
                self.counts[key] = self.counts.get(key, 0) + count
                self.due_at[key] = min(self.due_at.get(key, slot.due_at), slot.due_at)

    def _calendar(self, program: Program) -> Calendar:
        return self.runtime.calendar(program)

    # ----- what stands planned, and the chains that go on from there

    def _count_planned(self, step: tuple[str, int, str], until: datetime) -> None:
        _, version_id, flow_id = step
        program = self.runtime.shelf.version(version_id)
        flow = None if flow_id == RESURVEY else program.flow(flow_id)
        way = occasions.way_of(self.runtime, flow)
        ends = _ends_of(flow)
        for row in outlook.planned(self.session, step, way, ends, self.now, until):
            day = max(row.day, self.start)
            slot = Slot(day, day, row.due_at.time(), max(row.due_at, self.now), None)
            self._note(program, flow_id, slot, {row.sort: row.count}, row.occasion)
        if flow is not None and is_chain(flow):
            for chain in outlook.open_chains(self.session, step, way, ends):
                self._go_on_chain(program, flow, chain)

    def _go_on_chain(self, program: Program, flow: Flow, chain: Open) -> None:
        """The later steps of a chain after an event: each is planned when the one before is settled."""
        step = Step(0, chain.nominal_on, chain.intended_on)
        ends_on = date.fromisoformat(chain.ends_on) if chain.ends_on else None
        zone = ZoneInfo(chain.zone)
        while step.intended_on < self.end:
            later = next_step(
                program,
                flow,
                step,
                today=max(step.intended_on, self.start),
                ends_on=ends_on,
                zone=zone,
                calendar=self._calendar(program),
                annoyed=chain.annoyed,
            )
            if later is None:
                return
            self._note(program, flow.id, later.slot, {chain.sort: chain.count})
            step = Step(0, later.slot.nominal_on, later.slot.intended_on)

    # ----- what the planner will plan as sets

    def _count_selections(self, in_force: InForce, flow: Flow) -> None:
        """Look as the planner will on each day of the span, a horizon apart; what was seen is not counted again."""
        program = in_force.program
        seen: set[Once] = set()
        everywhere = selections.zones(self.session)
        today, apart = self.start, max(DAY, add(self.start, program.horizon) - self.start)
        while today < self.end:
            found = occasions.selection_of(self.runtime, self.session, in_force, flow, today, everywhere)
            for group in found.groups if found else ():
                key = _once(flow, group)
                if found is not None and key not in seen:
                    seen.add(key)
                    self._count_group(program, flow, found, group, today)
            today += apart

    def _count_group(self, program: Program, flow: Flow, selection: Selection, group: Group, today: date) -> None:
        zone = ZoneInfo(group.zone)
        slot = plan.released(group.slot, program, flow, self.now, self._calendar(program), zone)
        sorts = self._members(program, selection, group, today)
        if slot is not None:
            self._note(program, flow.id, slot, sorts, group.occasion)
        if isinstance(flow.on, Every) and group.anchor is not None:
            self._go_on(program, flow, selection, group, sorts, today)

    def _members(self, program: Program, selection: Selection, group: Group, today: date) -> dict[str, int]:
        """Who of the group would be planned, by sort; of greetings only who has none from an earlier flow (R43)."""
        way = occasions.way_of(self.runtime, program.flow(selection.flow))
        if selection.purpose is not Purpose.GREETING:
            return outlook.count_members(self.session, program.id, selection, group, today, way)
        before = self._greeted.setdefault((group.occasion, group.zone), [])
        sorts = outlook.count_members(self.session, program.id, selection, group, today, way, before)
        before.append(Greeted(program.id, selection.audience))
        return sorts

    def _go_on(
        self, program: Program, flow: Flow, selection: Selection, group: Group, sorts: dict[str, int], today: date
    ) -> None:
        """The later links of a cadence, from the nominal date before (R25), until the date that ends it."""
        assert isinstance(flow.on, Every)
        zone, nominal = ZoneInfo(group.zone), group.slot.nominal_on
        while sorts:
            nominal = following(flow.on, nominal, annoyed=bool(group.annoyed))
            slot = plan.step_slot(program, flow, nominal, zone, self._calendar(program))
            if slot.intended_on >= self.end:
                return
            if selection.until is not None:
                later = replace(group, slot=slot, occasion=f"due:{nominal}")
                sorts = self._members(program, selection, later, today)
            self._note(program, flow.id, slot, sorts)

    # ----- what will be drawn

    def _count_draws(self, in_force: InForce, flow: Flow) -> None:
        """Draw as the planner will; who is drawn is barred from the later draws (R69)."""
        program = in_force.program
        drawn: dict[Draw, tuple[int, ...]] = {}
        today = self.start
        while today < self.end:
            for draw in occasions.draws_of(self.runtime, in_force, flow, today):
                over = draw.slot.expires_at is not None and draw.slot.expires_at <= self.now
                if draw not in drawn and not over and draw.slot.intended_on < self.end:
                    drawn[draw] = self._draw(program, flow, draw, drawn)
            today += DAY

    def _draw(self, program: Program, flow: Flow, draw: Draw, before: Mapping[Draw, Sequence[int]]) -> tuple[int, ...]:
        assert isinstance(flow.on, Sample | Wave | Round)
        if selections.occasion_exists(self.session, program.id, flow.id, draw.occasion):
            return ()
        since = add(draw.slot.intended_on, -flow.on.not_again_within)
        barred = {each for old, ids in before.items() if old.slot.nominal_on >= since for each in ids}
        drawn = occasions.draw_lots(self.runtime, self.session, program, flow, draw, barred)
        if occasions.is_too_small(flow, drawn):
            return ()
        sorts = outlook.sorts_of(self.session, program.id, drawn.ids, occasions.way_of(self.runtime, flow))
        self._note(program, flow.id, draw.slot, sorts)
        return drawn.ids


def _ends_of(flow: Flow | None) -> Chain:
    """What ends what comes again; for what comes once, nothing that is not seen in its row."""
    if flow is None or not (is_chain(flow) or isinstance(flow.on, Every)):
        return Chain()
    assert isinstance(flow.on, AfterEvent | Every)
    until = date_of(flow.on.until) if flow.on.until else None
    return Chain(until, flow.stops_on if is_chain(flow) else ())


def _once(flow: Flow, group: Group) -> Once:
    """What is counted once: an occasion; of a cadence its first link, since `_go_on` counts the later ones."""
    occasion = "" if isinstance(flow.on, Every) else group.occasion
    return group.zone, group.anchor, group.annoyed, group.part, occasion
