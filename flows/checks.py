"""A program checked as a whole: what it names exists, its numbers fit together, and nothing that it says is idle.

Each check yields faults; `flows/load.py` tells them all at once. What is legal but doubtful stands in
`flows/cautions.py`. Nothing here reads a file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.actions import Appointment, Occasion, TaskAction
from flows.audience import FLAGS, MEASURES, Day, Predicate, fields_of, values_of
from flows.calendar import Calendar, Festival
from flows.callback import TICKET
from flows.errors import Fault
from flows.offsets import DAY
from flows.program import ContactKind, Flow, Program, Quota, Raised
from flows.promises import Period
from flows.recurrence import Season
from flows.resurvey import FLOW as RESURVEY
from flows.resurvey import SCORE
from flows.source import Path, Source
from flows.triggers import (
    AfterEvent,
    Again,
    AtLeast,
    Drawn,
    Every,
    FirstWorkdays,
    OnDate,
    OnFestival,
    OnMilestone,
    OnSilence,
    Round,
    SeasonRule,
    Unanswered,
    Wave,
)
from messages.catalog import VARIABLES, Catalog, Purpose, TemplateError, check_wording
from messages.reading import Scale
from messages.render import parse

KnowsTemplate = Callable[[str, str], bool]
"""(program id, template name) -> is there such a template?"""


@dataclass(frozen=True)
class Draft:
    """A program beside the lines on which its fields stand."""

    program: Program
    source: Source

    def fault(self, path: Path, message: str, remedy: str) -> Fault:
        """What is wrong at a field, told with its line."""
        field = ".".join(str(part) for part in path)
        return Fault(self.source.file, self.source.line_of(path), field, message, remedy)

    def unknown(self, path: Path, kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Fault]:
        """A fault for each of the names that is not known."""
        known = tuple(known)
        for name in dict.fromkeys(names):
            if name not in known:
                yield self.fault(path, f"unknown {kind} {name!r}", one_of(known))

    def asks(self, path: Path, predicate: Predicate, known: Iterable[str]) -> Iterator[Fault]:
        """A fault for each field and class that a predicate asks for in vain."""
        yield from self.unknown(path, "field", sorted(fields_of(predicate)), sorted(set(known)))
        for name in sorted(fields_of(predicate)):
            if Day.TODAY in values_of(predicate, name) and not self._is_date(name):
                yield self.fault(path, f"{name!r} is no date, and is compared with today", "declare it as a date")
        classes = sorted(map(str, values_of(predicate, "class")))
        yield from self.unknown(path, "class", classes, self.program.classes.names)

    def _is_date(self, name: str) -> bool:
        """Do customers, an event or a contact have a date of this name?"""
        program = self.program
        told = [program.attributes, *(event.fields for event in program.events.values())]
        told += [contact.fields for contact in program.contacts.values()]
        return any(fields.get(name) == "date" for fields in told)


def check_program(draft: Draft, knows: KnowsTemplate | None = None) -> Iterator[Fault]:
    """Every fault of a program that its shape alone does not show.

    With `knows` it is handed in, and must also have what is asked of new programs; one that runs already may lack it.
    """
    for check in (
        _times,
        _names,
        _flows,
        _surveys,
        _classes,
        _happenings,
        _quotas,
        _duties,
        _answers,
        _wording,
        _assignment,
    ):
        yield from check(draft)
    if knows:
        yield from _occasions(draft)
        for name in draft.program.template_names():
            if not knows(draft.program.id, name):
                place = _place_of(draft.program, name)
                yield draft.fault(place, f"no template {name!r}", "write it, or name one that exists")


def one_of(names: Iterable[str]) -> str:
    """The remedy for a name that is not known."""
    known = list(names)
    return f"one of {', '.join(known)}" if known else "define it first"


def dates_of(program: Program) -> tuple[str, ...]:
    """The dates that triggers may count from: date attributes, and kind.date of matters."""
    own = [name for name, kind in program.attributes.items() if kind == "date"]
    return (*own, *(f"{kind}.{name}" for kind, matter in program.matters.items() for name in matter.dates))


# ----- the program


def _times(draft: Draft) -> Iterator[Fault]:
    """What would fail only when the first message is due: zone, region, windows, ladder."""
    program = draft.program
    for field, read in (("zone", ZoneInfo), ("region", Calendar)):
        try:
            read(getattr(program, field))
        except (ValueError, OSError, ZoneInfoNotFoundError):
            yield draft.fault((field,), f"unknown {field} {getattr(program, field)!r}", _EXAMPLES[field])
    try:
        program.permits()
    except ValueError as error:
        yield draft.fault(("windows",), str(error), "keep windows inside hard_hours")
    if not program.windows:
        yield draft.fault(("windows",), "no time is left to write in", 'write windows such as ["09:00-12:00"]')
    for index, rung in enumerate(program.callback.ladder):
        try:
            _ = rung.extra
        except ValueError as error:
            yield draft.fault(("callback", "ladder", index, "at"), str(error), "write it as 50% or 100%+24h")


_EXAMPLES = {
    "zone": "an IANA name such as Asia/Shanghai",
    "region": "an ISO code such as CN or DE-BY",
}


def _names(draft: Draft) -> Iterator[Fault]:
    """Names that must not stand twice, and those that are taken."""
    program = draft.program
    yield from _twice(draft, "flows", [flow.id for flow in program.flows])
    yield from _twice(draft, "quotas", [quota.id for quota in program.quotas])
    yield from _twice(draft, "duties", [duty.id for duty in program.duties])
    taken = {RESURVEY, *(flow.id for flow in program.flows)}
    for index, duty in enumerate(program.duties):
        if duty.id in taken:
            yield draft.fault(("duties", index, "id"), f"{duty.id!r} is the name of a flow", "choose another")
    for index, flow in enumerate(program.flows):
        if flow.id == RESURVEY:
            yield draft.fault(("flows", index, "id"), f"{RESURVEY!r} is the name of what asks again", "choose another")
    for name in program.days:
        if name in set(Festival):
            yield draft.fault(("days", name), f"{name!r} is a festival of the calendar", "choose another name")
    for name in FLAGS:
        if name in program.attributes:
            remedy = "leave it out: audiences ask for it as it is"
            yield draft.fault(("attributes", name), f"{name!r} is a flag that every program has", remedy)
    for kind, matter in program.matters.items():
        for name in (kind, *matter.dates):
            if "." in name:
                yield draft.fault(("matters", kind), f"{name!r} has a dot", "write it without: kind.date joins them")


def _twice(draft: Draft, where: str, ids: list[str]) -> Iterator[Fault]:
    for index, name in enumerate(ids):
        if name in ids[:index]:
            yield draft.fault((where, index, "id"), f"two {where} are called {name!r}", "rename one")


def _surveys(draft: Draft) -> Iterator[Fault]:
    for survey_id, survey in draft.program.surveys.items():
        path: Path = ("surveys", survey_id, "questions")
        weights = sum(question.weight for question in survey.questions)
        if len(survey.questions) > 1 and weights not in (0, 100):
            yield draft.fault(path, f"weights sum to {weights:g}", "make them sum to 100, or leave all out")
        if survey.ask > len(survey.questions):
            asked = f"asks {survey.ask} of {len(survey.questions)} questions"
            yield draft.fault(("surveys", survey_id, "ask"), asked, "ask fewer")
        if all(question.scale is Scale.TEXT for question in survey.questions):
            yield draft.fault(path, "no question has a scale", "add one that measures satisfaction")
        ids = [question.id for question in survey.questions]
        for index, name in enumerate(ids):
            if name in ids[:index]:
                yield draft.fault((*path, index, "id"), f"two questions are called {name!r}", "rename one")


def _classes(draft: Draft) -> Iterator[Fault]:
    program, classes = draft.program, draft.program.classes
    if classes.default:
        yield from draft.unknown(("classes", "default"), "class", [classes.default], classes.names)
    for index, rule in enumerate(classes.rules):
        path: Path = ("classes", "rules", index)
        yield from draft.unknown((*path, "class"), "class", [rule.class_], classes.names)
        yield from draft.asks((*path, "where"), rule.where, {*program.attributes, *FLAGS, *MEASURES})


def _happenings(draft: Draft) -> Iterator[Fault]:
    """Events, logged contacts, and the activity that the measures count."""
    program = draft.program
    for event_id, event in program.events.items():
        path: Path = ("events", event_id)
        if event.item:
            yield from draft.unknown((*path, "item"), "field", [event.item], event.fields)
        for target, value in event.sets.items():
            yield from _sets(draft, (*path, "sets", target), target, value, event.fields)
    for kind, contact in program.contacts.items():
        yield from draft.unknown(("contacts", kind, "required"), "field", contact.required, contact.fields)
        known = {*contact.fields, *program.attributes, *FLAGS, *MEASURES}
        yield from draft.asks(("contacts", kind, "counts"), contact.counts, known)
        for index, raised in enumerate(contact.raises):
            yield from _raised(draft, ("contacts", kind, "raises", index), raised, contact)
    if program.activity:
        yield from draft.unknown(("activity", "event"), "event", [program.activity.event], program.events)
        fields = program.events[program.activity.event].fields if program.activity.event in program.events else {}
        if program.activity.amount and fields and fields.get(program.activity.amount) != "number":
            numbers = [name for name, kind in fields.items() if kind == "number"]
            said = f"{program.activity.amount!r} is no number field of the event"
            yield draft.fault(("activity", "amount"), said, one_of(numbers))


def _raised(draft: Draft, path: Path, raised: Raised, contact: ContactKind) -> Iterator[Fault]:
    """There is such an event, and each of its fields gets a value of its kind."""
    events = draft.program.events
    yield from draft.unknown((*path, "event"), "event", [raised.event], events)
    known = {*contact.fields, *draft.program.attributes, *FLAGS, *MEASURES}
    yield from draft.asks((*path, "where"), raised.where, known)
    fields = events[raised.event].fields if raised.event in events else {}
    yield from draft.unknown((*path, "data"), "field of the event", raised.data, fields)
    for target, name in raised.data.items():
        yield from draft.unknown((*path, "data", target), "field", [name], contact.fields)
        given, wanted = contact.fields.get(name), fields.get(target)
        if given and wanted and given != wanted:
            said = f"{target} is a {wanted}, and {name} is a {given}"
            yield draft.fault((*path, "data", target), said, f"name a field that is a {wanted}")


def _sets(draft: Draft, path: Path, target: str, value: str, fields: Mapping[str, str]) -> Iterator[Fault]:
    """What an event writes: there is such a place, and what comes there is of its kind."""
    attributes = draft.program.attributes
    dates = (name for name in dates_of(draft.program) if "." in name)
    states = [f"{kind}.state" for kind in draft.program.matters]
    known = (*attributes, *dates, *states)
    if target not in known:
        yield draft.fault(
            path, f"{target!r} is neither an attribute nor a date or the state of a matter", one_of(known)
        )
        return
    wanted = "text" if target in states else attributes.get(target, "date")
    if value.startswith("="):
        given: str | None = wanted if wanted != "date" or _is_date(value[1:]) else "text"
    else:
        given = "date" if value == "at" else fields.get(value)
    if given is None:
        yield draft.fault(path, f"unknown field {value!r}", f"{one_of(fields)}, at, or a word written as '=word'")
    elif given != wanted:
        yield draft.fault(path, f"{target} is a {wanted}, and {value} is a {given}", f"name a field that is a {wanted}")


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _duties(draft: Draft) -> Iterator[Fault]:
    program = draft.program
    for index, duty in enumerate(program.duties):
        path: Path = ("duties", index)
        yield from _task(draft, (*path, "task"), duty.task)
        if duty.task.shows:
            yield draft.fault((*path, "task", "shows"), "a duty is about no customer", "leave it out")
        if duty.unless_approved is not None:
            approved = [flow.id for flow in program.flows if flow.message and flow.message.approval]
            place = (*path, "unless_approved")
            yield from draft.unknown(place, "flow with an approval", [duty.unless_approved], approved)
        match duty.on:
            case OnFestival(festivals=festivals):
                known = (*Festival, *program.days)
                yield from draft.unknown((*path, "on", "festivals"), "festival", festivals, known)
            case FirstWorkdays(spread=True):
                yield draft.fault((*path, "on", "spread"), "a duty has no customers to spread", "leave it out")
            case _:
                pass


def _quotas(draft: Draft) -> Iterator[Fault]:
    program = draft.program
    for index, quota in enumerate(program.quotas):
        path: Path = ("quotas", index)
        yield from draft.unknown((*path, "of"), "flow", quota.of, [flow.id for flow in program.flows])
        yield from draft.unknown((*path, "among"), "class", quota.among, program.classes.names)
        yield from _idle_quota(draft, path, quota)
        if quota.task:
            yield from _task(draft, (*path, "task"), quota.task)


def _idle_quota(draft: Draft, path: Path, quota: Quota) -> Iterator[Fault]:
    """What a quota says and could never count."""
    if quota.by == "class" and not draft.program.classes.names:
        yield draft.fault((*path, "by"), "the program has no classes", "name them in `classes`, or leave `by` out")
    if quota.rate == "handling" and quota.of:
        yield draft.fault((*path, "of"), "handling counts tickets, not flows", "leave it out")
    if quota.rate == "handling" and quota.task:
        yield draft.fault((*path, "task"), "a ticket that is not closed has its owner already", "leave it out")
    if quota.among and quota.rate != "follow_up":
        yield draft.fault((*path, "among"), f"it means nothing for the rate {quota.rate}", "leave it out")
    if quota.reached != "answered" and quota.rate != "follow_up":
        yield draft.fault((*path, "reached"), f"it means nothing for the rate {quota.rate}", "leave it out")


def _answers(draft: Draft) -> Iterator[Fault]:
    """What follows a reply, and how somebody calls back."""
    program = draft.program
    again = program.callback.resurvey.survey
    if again not in program.surveys:
        named = program.callback.resurvey.survey
        yield draft.fault(("callback", "resurvey", "survey"), f"unknown survey {named!r}", one_of(program.surveys))
    if program.replies.suggestion:
        yield from _task(draft, ("replies", "suggestion"), program.replies.suggestion)
    yield from _tickets(draft)


def _tickets(draft: Draft) -> Iterator[Fault]:
    """Whose tickets are, and which calls and visits they call for."""
    rule, alerts = draft.program.callback, draft.program.replies.alerts
    for index, owner in enumerate(rule.owners):
        yield from _about_ticket(draft, ("callback", "owners", index, "where"), owner.where, alerts)
    if rule.visit:
        yield from _task(draft, ("callback", "visit"), rule.visit)
    for index, asked in enumerate(rule.resurvey.by):
        path: Path = ("callback", "resurvey", "by", index)
        yield from _about_ticket(draft, (*path, "where"), asked.where, ())
        yield from _task(draft, (*path, "task"), asked.task)
        if asked.task.fields.get(SCORE) != "number" or SCORE not in asked.task.required:
            said = "nothing says how satisfied the customer is now"
            remedy = f"give it fields: {{{SCORE}: number}} and required: [{SCORE}]"
            yield draft.fault((*path, "task"), said, remedy)


def _about_ticket(draft: Draft, path: Path, where: Predicate, alerts: Iterable[str]) -> Iterator[Fault]:
    """What a rule asks of a ticket: there are such fields, and such topics."""
    program = draft.program
    told = {name for event in program.events.values() for name in event.fields}
    yield from draft.unknown(path, "field", sorted(fields_of(where)), sorted({*told, *alerts, *TICKET}))
    asked = [each.topic for survey in program.surveys.values() for each in survey.questions if each.topic]
    topics = sorted({*program.replies.topics, *asked})
    yield from draft.unknown(path, "topic", sorted(map(str, values_of(where, "topic"))), topics)


def _wording(draft: Draft) -> Iterator[Fault]:
    """Openings and endings that can be read, and name nothing that messages do not know."""
    program = draft.program
    for side, by_language in (("begins", program.wording.begins), ("ends", program.wording.ends)):
        for language, bodies in by_language.items():
            for index, body in enumerate(bodies):
                path: Path = ("wording", side, language, index)
                try:
                    names = parse(body).names
                except TemplateError as error:
                    yield draft.fault(path, error.problem, error.remedy)
                else:
                    yield from draft.unknown(path, "variable", names, (*VARIABLES, *program.variables()))


def _assignment(draft: Draft) -> Iterator[Fault]:
    """Rules that ask for something a customer has."""
    attributes = draft.program.attributes
    for index, rule in enumerate(draft.program.assignment):
        path: Path = ("assignment", index)
        yield from draft.asks((*path, "where"), rule.where, {*attributes, *FLAGS, *MEASURES})
        texts = [name for name, kind in attributes.items() if kind == "text"]
        named = [rule.extension] if rule.extension else []
        yield from draft.unknown((*path, "extension"), "text attribute", named, texts)


def wording_faults(program: Program, catalog: Catalog) -> Iterator[Fault]:
    """Each template of a program that does not begin or end as its `wording` requires, by file and line (R102)."""
    begins, ends = program.wording.begins, program.wording.ends
    found = (
        catalog.find(name, program=program.id, language=language, default_language=program.language)
        for language in dict.fromkeys((*begins, *ends))
        for name in program.template_names()
    )
    for template in dict.fromkeys(found):
        spoken = template.language
        for problem in check_wording(template, begins.get(spoken, ()), ends.get(spoken, ()), program.variables()):
            line = problem.line and problem.line + template.lines_above
            yield Fault(f"messages/text/{spoken}/{template.key}.md", line, "", problem.message, problem.remedy)


def _place_of(program: Program, template: str) -> Path:
    for index, flow in enumerate(program.flows):
        if template in flow.template_names():
            return ("flows", index, "message", "template")
    return ("replies",) if template != program.callback.resurvey.template else ("callback", "resurvey", "template")


# ----- one flow


def _flows(draft: Draft) -> Iterator[Fault]:
    for index, flow in enumerate(draft.program.flows):
        path: Path = ("flows", index)
        yield from draft.asks((*path, "audience"), flow.audience, {*draft.program.attributes, *FLAGS, *MEASURES})
        yield from _trigger(draft, flow, (*path, "on"))
        yield from _timing(draft, flow, path)
        yield from _doing(draft, flow, path)
        yield from draft.unknown((*path, "stops_on"), "event", flow.stops_on, draft.program.events)


def _trigger(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    program = draft.program
    match flow.on:
        case AfterEvent(event=event, where=where) | Wave(event=event, where=where):
            yield from draft.unknown((*path, "event"), "event", [event], program.events)
            if event in program.events:
                known = {*program.events[event].fields, *program.attributes, *FLAGS, *MEASURES}
                yield from draft.asks((*path, "where"), where, known)
                yield from draft.unknown((*path, "once_per"), "field", _once_per(flow), program.events[event].fields)
            if "once_within" in flow.on.model_fields_set and not _once_per(flow):
                yield draft.fault((*path, "once_within"), "nothing says what is the same", "give it `once_per`")
        case Unanswered(unanswered=other):
            if not any(flow.id == other and flow.message and flow.message.survey for flow in program.flows):
                ids = [flow.id for flow in program.flows if flow.message and flow.message.survey]
                yield draft.fault((*path, "unanswered"), f"no flow {other!r} with a survey", one_of(ids))
        case OnFestival(festivals=festivals):
            yield from draft.unknown((*path, "festivals"), "festival", festivals, (*Festival, *program.days))
        case OnMilestone(milestones=milestones):
            yield from draft.unknown((*path, "milestones"), "milestone", milestones, program.milestones)
        case OnDate(date=name):
            yield from draft.unknown((*path, "date"), "date", [name], dates_of(program))
        case OnSilence() if program.activity is None:
            yield draft.fault((*path, "silence"), "nothing counts as activity", "name an event in `activity`")
        case AtLeast(of=kinds, per=per, remind_at=remind_at, due_at=due_at):
            yield from draft.unknown((*path, "of"), "contact", kinds, program.contacts)
            if per is Period.DAY and remind_at and due_at and remind_at >= due_at:
                said = f"told at {remind_at:%H:%M} of what is due at {due_at:%H:%M}"
                yield draft.fault((*path, "remind_at"), said, "remind earlier")
            if flow.message or flow.set_class:
                said = "a minimum is for staff: it sends no message and sets no class"
                yield draft.fault(path[:-1], said, "give it a task, or nothing: then the owner of tickets is told")
            for field in sorted(
                {"within", "workdays", "month_end"} & (flow.task.model_fields_set if flow.task else set())
            ):
                remedy = "leave it out: the task of a minimum is due when its period ends"
                yield draft.fault((*path[:-1], "task", field), "is no time of a minimum", remedy)
        case _:
            pass
    if isinstance(flow.on, Again):
        yield from _again(draft, flow.on, path)
    if isinstance(flow.on, Drawn):
        yield from _drawn(draft, flow.on, path)


def _once_per(flow: Flow) -> tuple[str, ...]:
    return flow.on.once_per if isinstance(flow.on, AfterEvent) else ()


def _again(draft: Draft, trigger: Again, path: Path) -> Iterator[Fault]:
    """Contacts, dates and seasons of what comes again; without `every` it does not."""
    if isinstance(trigger, AfterEvent) and trigger.every is None:
        for field in sorted({"seasons", "contacts", "until"} & trigger.model_fields_set):
            yield draft.fault((*path, field), "the flow does not come again", "give it `every`, or leave this out")
        return
    yield from draft.unknown((*path, "contacts"), "contact", trigger.contacts, draft.program.contacts)
    if trigger.until:
        yield from draft.unknown((*path, "until"), "date", [trigger.until], dates_of(draft.program))
    days: dict[date, SeasonRule] = {}
    for index, rule in enumerate(trigger.seasons):
        season = Season(rule.from_, rule.to)
        own = [day for day in _LEAP_YEAR if season.holds(day)]
        if twice := next((day for day in own if day in days), None):
            said = f"{twice:%m-%d} is in another season, too"
            yield draft.fault((*path, "seasons", index), said, "let each begin after the other ends")
        days.update(dict.fromkeys(own, rule))


_LEAP_YEAR = tuple(date(2024, 1, 1) + n * DAY for n in range(366))


def _drawn(draft: Draft, trigger: Drawn, path: Path) -> Iterator[Fault]:
    if trigger.sample is not None and trigger.share is not None:
        yield draft.fault((*path, "share"), "a number and a share at once", "leave one of sample and share out")
    if trigger.sample is None and trigger.share is None and not isinstance(trigger, Round):
        yield draft.fault(path, "it does not say how many are drawn", "write sample: 10, or share: 30%")


def _timing(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    """Offsets that the trigger counts, and those that it would leave aside."""
    trigger = flow.on
    if flow.after_field:
        event = draft.program.events.get(trigger.event) if isinstance(trigger, AfterEvent) else None
        numbers = [name for name, kind in event.fields.items() if kind == "number"] if event else []
        if flow.after_field not in numbers:
            said = f"{flow.after_field!r} is no number field of the event"
            yield draft.fault((*path, "after_field"), said, one_of(numbers))
    if flow.after.is_time and not isinstance(trigger, AfterEvent):
        yield draft.fault(
            (*path, "after"), f"{flow.after} is a time; this trigger counts days", "write days, such as 1d"
        )
    if flow.same_day and not isinstance(trigger, AfterEvent):
        yield draft.fault((*path, "same_day"), "only an event has a day of its own", "leave it out")
    if flow.deadline and flow.deadline.is_time and not (flow.after.is_time or flow.same_day):
        said = f"{flow.deadline} is a time, and `after` counts days"
        yield draft.fault((*path, "deadline"), said, "write both in hours or in days")
    if flow.before is not None:
        yield from _before(draft, flow, path)


def _before(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    """`before` needs a date that is known ahead."""
    known_ahead = isinstance(flow.on, OnDate | OnMilestone | OnFestival | Every) or (
        isinstance(flow.on, AfterEvent) and flow.on.every is not None
    )
    if not known_ahead:
        said = "what this trigger waits for is not known ahead"
        remedy = "use `after`, or a trigger with a date, a milestone, a festival or `every`"
        yield draft.fault((*path, "before"), said, remedy)
    if "after" in flow.model_fields_set and isinstance(flow.on, OnDate | OnMilestone | OnFestival):
        yield draft.fault((*path, "before"), "before and after at once", "keep one of them")
    if flow.before and (flow.before.is_time or flow.before.amount < 0):
        yield draft.fault((*path, "before"), f"{flow.before} is no number of days", "write days, such as 7d")


def _doing(draft: Draft, flow: Flow, path: Path) -> Iterator[Fault]:
    program, message = draft.program, flow.message
    if flow.set_class:
        yield from draft.unknown((*path, "set_class"), "class", [flow.set_class], program.classes.names)
    if message is None and flow.task is None and flow.set_class is None and not isinstance(flow.on, AtLeast):
        yield draft.fault(path, "the flow does nothing", "give it a message, a task or a set_class")
    if flow.breach and flow.task is None:
        yield draft.fault((*path, "breach"), "nobody is to deal with the breach", "give the flow a task")
    if flow.task:
        yield from _task(draft, (*path, "task"), flow.task)
    if message is None:
        return
    yield from draft.unknown((*path, "message", "to"), "role of a contact person", message.to, program.persons)
    if not message.channels:
        yield draft.fault((*path, "message", "channels"), "no channel to send by", "write [sms], or leave it out")
    if message.survey:
        yield from draft.unknown((*path, "message", "survey"), "survey", [message.survey], program.surveys)
    if message.purpose in (Purpose.REPLY, Purpose.STAFF):
        said = f"a flow does not send {message.purpose}"
        yield draft.fault((*path, "message", "purpose"), said, "survey, service, greeting or marketing")
    if message.purpose is Purpose.GREETING and message.survey:
        said = "a greeting carries no survey"
        yield draft.fault((*path, "message", "survey"), said, "leave it out, or use another purpose")
    if "{festival}" in message.template and not isinstance(flow.on, OnFestival):
        said = "only a flow on festivals knows {festival}"
        yield draft.fault((*path, "message", "template"), said, "name one template")


def _occasions(draft: Draft) -> Iterator[Fault]:
    """Nobody is written to with an offer for no reason (R87)."""
    for index, flow in enumerate(draft.program.flows):
        if flow.purpose is Purpose.MARKETING and flow.occasion is None:
            path: Path = ("flows", index, "message", "occasion")
            yield draft.fault(path, "marketing that names no occasion", one_of(get_args(Occasion)))


def _task(draft: Draft, path: Path, task: TaskAction) -> Iterator[Fault]:
    """A task that can be done, and that counts once it is."""
    if not task.role:
        yield draft.fault((*path, "role"), "nobody does it", "name a role, such as the owner's")
    if task.within is not None and task.workdays is not None:
        yield draft.fault((*path, "workdays"), "within and workdays at once", "keep one of them")
    yield from draft.unknown((*path, "shows"), "attribute", task.shows, draft.program.attributes)
    contacts = draft.program.contacts
    contact = contacts.get(task.counts_as or "")
    noted = {**(contact.fields if contact else {}), **task.fields}
    yield from draft.unknown((*path, "required"), "field", task.required, noted)
    if task.counts_as:
        yield from draft.unknown((*path, "counts_as"), "contact", [task.counts_as], contacts)
    for name in contact.required if contact else ():
        if name not in task.required:
            said = f"a {task.counts_as} without {name!r} does not count"
            yield draft.fault((*path, "required"), said, f"add {name} to what is required")
    yield from draft.unknown((*path, "copy_to"), "role", task.copy_to, draft.program.roles())
    if task.appointment:
        yield from _appointment(draft, path, task.appointment)


def _appointment(draft: Draft, path: Path, appointment: Appointment) -> Iterator[Fault]:
    """It is announced for a date, and its time is told."""
    flow = draft.program.flows[int(path[1])] if path[0] == "flows" else None
    if flow is None or flow.message is None or not isinstance(flow.on, OnDate):
        remedy = "leave it out, or give its flow a date (on: {date: ...}) and a message"
        yield draft.fault((*path, "appointment"), "nothing announces it to the customer", remedy)
    texts = [name for name, kind in draft.program.attributes.items() if kind == "text"]
    named = [appointment.time] if appointment.time else []
    yield from draft.unknown((*path, "appointment", "time"), "text attribute", named, texts)
