"""What a scenario names must exist: customers, staff, events, contacts, dates. All is told by its place, before
anything is played.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.rehearsal.scenario import KINDS, Person, Scenario, Step
from flows.program import Program

Fault = dict[str, Any]
COLUMNS = ("class", "zone", "language", "name", "title", "marketing_consent", "staff")
"""What a step may set beside the attributes that programs declare."""


@dataclass(frozen=True)
class Names:
    """Everything that a scenario may name."""

    programs: Mapping[str, Program]
    customers: frozenset[str]
    staff: frozenset[str]

    def of(self, field: str) -> set[str]:
        """The names that any of the programs declares under a field."""
        return {name for program in self.programs.values() for name in getattr(program, field)}

    def dates(self, kind: str) -> set[str]:
        """The dates of one kind of matter."""
        matters = (program.matters.get(kind) for program in self.programs.values())
        return {name for matter in matters if matter for name in matter.dates}


def faults_of(scenario: Scenario, names: Names) -> Iterator[Fault]:
    """Every name of the scenario that nothing stands behind."""
    people = scenario.customers if isinstance(scenario.customers, list) else []
    for person in people:
        yield from _person(person, names)
    for index, step in enumerate(scenario.script):
        yield from _step(f"script[{index}]", step, names)


def _person(person: Person, names: Names) -> Iterator[Fault]:
    place = f"customers[{person.id}]"
    for name in person.attributes:
        yield from _unknown(f"{place}.attributes.{name}", "attribute", name, names.of("attributes"))
    for name in person.staff:
        yield from _unknown(f"{place}.staff", "staff", name, names.staff)


def _step(place: str, step: Step, names: Names) -> Iterator[Fault]:
    if len(step.kinds) != 1:
        said = " and ".join(step.kinds) or "nothing"
        reason = f"says {said}: one step is one thing"
        yield {"field": place, "reason": reason, "remedy": f"one of {', '.join(KINDS)}"}
    told = (
        ("event", "event", step.event, names.of("events")),
        ("contact", "contact", step.contact, names.of("contacts")),
        ("milestone", "milestone", step.milestone, names.of("milestones")),
        ("staff", "staff", step.staff, names.staff),
        ("program", "program", step.program or None, set(names.programs)),
    )
    for field, kind, name, known in told:
        if name is not None:
            yield from _unknown(f"{place}.{field}", kind, name, known)
    matters = names.of("matters")
    if step.matter and matters:  # a program that declares none takes any, as a name only
        yield from _unknown(f"{place}.matter", "kind of matter", step.matter.partition(":")[0], matters)
    for each in step.each():
        if each.customer:
            yield from _unknown(f"{place}.customer", "customer", each.customer, names.customers)
    if step.flow:
        flows = {flow.id for program in names.programs.values() for flow in program.flows}
        yield from _unknown(f"{place}.flow", "flow", step.flow, flows)
    for name in step.attributes:
        yield from _unknown(f"{place}.attributes.{name}", "attribute", name, names.of("attributes") | set(COLUMNS))
    for name in step.dates:
        yield from _unknown(f"{place}.dates.{name}", "date", name, names.dates(step.matter.partition(":")[0]))
    yield from _needed(place, step)


def _needed(place: str, step: Step) -> Iterator[Fault]:
    """What a kind of step cannot do without."""
    needs = {
        "staff": ("does",),
        "contact": ("customer",),
        "event": ("customer",),
        "reply": ("customer",),
        "milestone": ("on",),
    }
    by_what = {"plan": ("customer", "flow", "on"), "agree": ("customer", "flow", "on")}
    fields = [name for kind in step.kinds for name in needs.get(kind, ())]
    fields += by_what.get(step.does or "", ())
    for name in fields:
        if not getattr(step, name):
            yield {"field": f"{place}.{name}", "reason": "is missing", "remedy": f"add {name}: ..."}
    if (step.dates or step.state) and not step.matter:
        yield {"field": f"{place}.matter", "reason": "is missing", "remedy": "say whose dates: matter: contract:C1"}


def _unknown(field: str, kind: str, name: str, known: Iterable[str]) -> Iterator[Fault]:
    known = sorted(known)
    if name not in known:
        remedy = f"one of {', '.join(known[:20])}" if known else "the programs declare none"
        yield {"field": field, "reason": f"unknown {kind} {name!r}", "remedy": remedy}
