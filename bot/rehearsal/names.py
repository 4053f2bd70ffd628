"""What a scenario names must exist: customers, staff, events, contacts, dates, and what it expects. All is told by its
line, before anything is played.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from bot.rehearsal.lines import FIELDS, INSTANTS, WHATS
from bot.rehearsal.scenario import KINDS, Person, Scenario, Step, customers_in
from flows.audience import FLAGS
from flows.program import Program
from flows.resurvey import FLOW as RESURVEY
from flows.source import Path as Place

Fault = dict[str, Any]
COLUMNS = ("class", "zone", "language", "name", "title", "marketing_consent", "staff", "windows", *FLAGS)
"""What a step may set beside the attributes that programs declare."""


SHOWN = 20
"""Of many names that exist only so many are told, those that are nearly the same first."""


@dataclass(frozen=True)
class Names:
    """Everything that a scenario may name; `staff`: by id, name or role."""

    programs: Mapping[str, Program]
    customers: frozenset[str]
    staff: frozenset[str]
    roles: frozenset[str]

    def of(self, field: str) -> set[str]:
        """The names that any of the programs declares under a field."""
        return {name for program in self.programs.values() for name in getattr(program, field)}

    def dates(self, kind: str) -> set[str]:
        """The dates of one kind of matter."""
        matters = (program.matters.get(kind) for program in self.programs.values())
        return {name for matter in matters if matter for name in matter.dates}

    def flows(self) -> set[str]:
        """The flows of the programs."""
        return {flow.id for program in self.programs.values() for flow in program.flows}

    def duties(self) -> set[str]:
        """The duties of the programs."""
        return {duty.id for program in self.programs.values() for duty in program.duties}

    def tasks(self) -> set[str]:
        """What a task may be meant by: its flow, its duty or its kind."""
        kinds = {task.kind for program in self.programs.values() for task in program.tasks()}
        return kinds | self.flows() | self.duties()

    def contents(self) -> set[str]:
        """The surveys and templates that must be approved."""
        return {name for program in self.programs.values() for name, _ in program.approvals}

    def violations(self) -> set[str]:
        """The kinds of violations of the programs."""
        return self.of("violations")

    def noted(self) -> set[str]:
        """The fields that may be noted when a task is done."""
        noted = [task.fields for program in self.programs.values() for task in program.tasks()]
        noted += [kind.fields for program in self.programs.values() for kind in program.contacts.values()]
        return {name for fields in noted for name in fields}


def faults_of(scenario: Scenario, names: Names) -> Iterator[Fault]:
    """Every name of the scenario that nothing stands behind."""
    check = _Check(scenario, names)
    people = scenario.customers if isinstance(scenario.customers, list) else []
    for index, person in enumerate(people):
        yield from check.person(("customers", index), person)
    for number, step in enumerate(scenario.script):
        yield from check.step(("script", number), step)
    for number, wanted in enumerate(scenario.expect):
        yield from check.expectation(("expect", number), wanted)


@dataclass(frozen=True)
class _Check:
    """One scenario beside what it may name."""

    scenario: Scenario
    names: Names

    def person(self, place: Place, person: Person) -> Iterator[Fault]:
        """What a customer names and nothing knows."""
        attributes = self.names.of("attributes") | set(FLAGS)
        for name in person.attributes:
            yield from self._known((*place, "attributes", name), "attribute", name, attributes)
        for name in person.staff:
            yield from self._known((*place, "staff"), "staff", name, self.names.staff)

    def step(self, place: Place, step: Step) -> Iterator[Fault]:
        """What a step names and nothing knows."""
        names = self.names
        if len(step.kinds) != 1:
            said = " and ".join(step.kinds) or "nothing"
            yield self.scenario.fault(place, f"says {said}: one step is one thing", f"one of {', '.join(KINDS)}")
        by_hand = step.does in ("plan", "agree")
        told: tuple[tuple[str, str, str | None, Collection[str]], ...] = (
            ("event", "event", step.event, names.of("events")),
            ("contact", "contact", step.contact, names.of("contacts")),
            ("made", "contact", step.made or None, names.of("contacts")),
            ("milestone", "milestone", step.milestone, names.of("milestones")),
            ("staff", "staff", step.staff, names.staff),
            ("program", "program", step.program or None, names.programs),
            ("flow", "flow", step.flow or None, names.flows() if by_hand else names.flows() | names.duties()),
            ("task", "task", step.task if isinstance(step.task, str) else None, names.tasks()),
            ("content", "content with an approval", step.content or None, names.contents()),
            ("survey", "survey", step.survey or None, names.of("surveys")),
            ("violation", "violation", step.violation if isinstance(step.violation, str) else None, names.violations()),
        )
        for field, kind, name, known in told:
            if name is not None:
                yield from self._known((*place, field), kind, name, known)
        matters = names.of("matters")
        if step.matter and matters:  # a program that declares none takes any, as a name only
            yield from self._known((*place, "matter"), "kind of matter", step.matter.partition(":")[0], matters)
        for each in step.each():
            if each.customer:
                yield from self._known((*place, "customer"), "customer", each.customer, names.customers)
        for name in step.attributes:
            known = names.of("attributes") | set(COLUMNS)
            yield from self._known((*place, "attributes", name), "attribute", name, known)
        for name in step.dates:
            known = names.dates(step.matter.partition(":")[0])
            yield from self._known((*place, "dates", name), "date", name, known)
        for name in _missing(step):
            yield self.scenario.fault((*place, name), "is missing", f"add {name}: ...")
        if (step.dates or step.state) and not step.matter:
            yield self.scenario.fault((*place, "matter"), "is missing", "say whose dates: matter: contract:C1")

    def expectation(self, place: Place, wanted: Mapping[str, Any]) -> Iterator[Fault]:
        """Slips that would let `not: true` come true for ever."""
        names = self.names
        fields = {*FIELDS, *names.noted(), "not", "times"}
        known: Mapping[str, tuple[str, Collection[str]]] = {
            "what": ("kind of line", WHATS),
            "customer": ("customer", names.customers),
            "program": ("program", names.programs),
            "flow": ("flow or duty", names.flows() | names.duties() | {RESURVEY}),
            "staff": ("member of staff", names.staff),
            "role": ("role", names.roles),
        }
        for name, value in wanted.items():
            here = (*place, name)
            yield from self._known(here, "field", name, fields)
            if name in known:
                for each in _each_of(name, value):
                    yield from self._known(here, known[name][0], each, known[name][1])
            if name in INSTANTS and not _is_time(value):
                yield self.scenario.fault(here, f"{value!r} is no time", "write 2026-11-09, or 2026-11-09T09:00")
        if not isinstance(wanted.get("not", True), bool):
            yield self.scenario.fault(
                (*place, "not"), f"{wanted['not']!r} is neither true nor false", "write not: true"
            )
        times = wanted.get("times", 0)
        if isinstance(times, bool) or not isinstance(times, int) or times < 0:
            yield self.scenario.fault((*place, "times"), f"{times!r} is no number of lines", "write times: 3")

    def _known(self, place: Place, kind: str, name: object, known: Collection[str]) -> Iterator[Fault]:
        if name not in known:
            remedy = f"one of {_some_of(known, str(name))}" if known else "there is none"
            yield self.scenario.fault(place, f"unknown {kind} {name!r}", remedy)


def _each_of(field: str, value: Any) -> Iterable[Any]:
    """What an expectation names: a list, a range of customers, or one."""
    if field == "customer":
        return customers_in(str(value)).values()
    return value if isinstance(value, list) else [value]


def _missing(step: Step) -> list[str]:
    """What a kind of step cannot do without."""
    needs = {
        "staff": ("does",),
        "contact": ("customer",),
        "event": ("customer",),
        "reply": ("customer",),
        "milestone": ("on",),
    }
    by_what: dict[str, tuple[str, ...]] = dict.fromkeys(("plan", "agree"), ("customer", "flow", "on"))
    by_what |= dict.fromkeys(("submit", "approve", "withdraw"), ("content",))
    by_what |= dict.fromkeys(("dismiss", "refuse_deletion"), ("reason",))
    by_what |= dict.fromkeys(("take_duty", "leave_duty"), ("days",))
    by_what["look"] = ("survey",)
    fields = [name for kind in step.kinds for name in needs.get(kind, ())]
    fields += by_what.get(step.does or "", ())
    return [name for name in fields if not getattr(step, name)]


def _some_of(known: Collection[str], name: str) -> str:
    """What exists, in words: those that are nearly the same first."""
    ordered = list(dict.fromkeys([*get_close_matches(name, known), *sorted(known)]))
    more = len(ordered) - SHOWN
    return ", ".join(ordered[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _is_time(value: object) -> bool:
    try:
        datetime.fromisoformat(str(value))
    except ValueError:
        return False
    return True
