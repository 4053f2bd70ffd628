"""A program checked as a whole: what it names exists, its numbers fit together, and nothing that it says is idle.

Each check yields faults; `flows/load.py` tells them all at once. What is legal but doubtful stands in
`flows/cautions.py`. Nothing here reads a file.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flows.actions import Appointment, Occasion, TaskAction
from flows.appraisals import Band
from flows.audience import FLAGS, MEASURES, Day, Predicate, fields_of, values_of
from flows.calendar import Calendar, Festival
from flows.callback import TICKET, away
from flows.errors import Fault
from flows.offsets import DAY, until
from flows.program import ContactKind, Flow, Program, Quota, Raised, StandIn
from flows.promises import Period
from flows.recurrence import Season
from flows.resurvey import FLOW as RESURVEY
from flows.resurvey import SCORE
from flows.shifts import ShiftSeason
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
from messages.reading import ABOUT_STAFF, Scale
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
        _shifts,
        _answers,
        _wording,
        _assignment,
        _archive,
        _violations,
        _appraisals,
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
    yield from _twice(draft, "appraisals", [appraisal.id for appraisal in program.appraisals])
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


def _shifts(draft: Draft) -> Iterator[Fault]:
    """Each takes tasks of others that are at once, at hours that one season says."""
    program = draft.program
    at_once = [task for task in program.tasks() if task.at_once]
    texts = {name for task in at_once for name, kind in task.fields.items() if kind == "text"}
    for name, shift in program.shifts.items():
        path: Path = ("shifts", name)
        known = dict.fromkeys(task.role for task in at_once)
        yield from draft.unknown((*path, "instead_of"), "role of a task that is `at_once`", shift.instead_of, known)
        if shift.role in shift.instead_of:
            remedy = "name a role of its own, such as night_leader"
            yield draft.fault((*path, "role"), f"{shift.role!r} stands in for itself", remedy)
        yield from _apart(draft, path, shift.seasons)
        if shift.after_midnight:
            place = (*path, "after_midnight")
            yield from draft.unknown((*place, "each_of"), "text field", [shift.after_midnight.each_of], sorted(texts))
            if not any(hours.end <= hours.start for hours in (shift.hours, *(each.hours for each in shift.seasons))):
                yield draft.fault(place, "the shift ends before midnight", "leave it out")


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
        yield from _about_ticket(draft, ("callback", "owners", index, "where"), owner.where, (*alerts, ABOUT_STAFF))
    if rule.report:
        yield from _task(draft, ("callback", "report"), rule.report)
    if rule.visit:
        yield from _task(draft, ("callback", "visit"), rule.visit)
    if rule.stand_in:
        yield from _stand_in(draft, rule.stand_in)
    if rule.concentrated and not _topics(draft.program):
        said = "no ticket ever has a topic"
        yield draft.fault(("callback", "concentrated"), said, "name words of topics in `replies.topics`")
    for index, asked in enumerate(rule.resurvey.by):
        path: Path = ("callback", "resurvey", "by", index)
        yield from _about_ticket(draft, (*path, "where"), asked.where, ())
        yield from _task(draft, (*path, "task"), asked.task)
        if asked.task.fields.get(SCORE) != "number" or SCORE not in asked.task.required:
            said = "nothing says how satisfied the customer is now"
            remedy = f"give it fields: {{{SCORE}: number}} and required: [{SCORE}]"
            yield draft.fault((*path, "task"), said, remedy)


def _stand_in(draft: Draft, rule: StandIn) -> Iterator[Fault]:
    """Whoever stands in does so for others, who are pinged about tickets."""
    callback, alerts = draft.program.callback, draft.program.replies.alerts.values()
    pinged = [callback.owner, *(each.role for each in callback.owners), *(rung.role for rung in callback.ladder)]
    pinged += [role for alert in alerts for role in alert.ping]
    path: Path = ("callback", "stand_in", "instead_of")
    yield from draft.unknown(path, "role that is pinged about tickets", rule.instead_of, dict.fromkeys(pinged))
    if rule.role in away(draft.program):
        said = f"{rule.role!r} stands in for itself"
        yield draft.fault(("callback", "stand_in", "role"), said, "name a role of its own, such as holiday_duty")


def _about_ticket(draft: Draft, path: Path, where: Predicate, alerts: Iterable[str]) -> Iterator[Fault]:
    """What a rule asks of a ticket: there are such fields, and such topics."""
    program = draft.program
    told = {name for event in program.events.values() for name in event.fields}
    yield from draft.asks(path, where, {*told, *alerts, *TICKET, *program.attributes, *FLAGS, *MEASURES})
    yield from draft.unknown(path, "topic", sorted(map(str, values_of(where, "topic"))), _topics(program))


def _topics(program: Program) -> list[str]:
    """What a complaint can be about."""
    asked = (each.topic for survey in program.surveys.values() for each in survey.questions if each.topic)
    return sorted({*program.replies.topics, *asked})


def _violations(draft: Draft) -> Iterator[Fault]:
    """What opens a case exists, whom it concerns is told, and somebody hears of it who may decide."""
    program = draft.program
    tasks = [*(flow.id for flow in program.flows if flow.task), *(duty.id for duty in program.duties)]
    tasks += sorted({task.kind for task in program.tasks()} - set(tasks))
    texts = _texts(program)
    for name, violation in program.violations.items():
        path: Path = ("violations", name)
        on = violation.on
        for field, given, known in (
            ("alert", on.alert, program.replies.alerts),
            ("topic", on.topic, _topics(program)),
            ("event", on.event, program.events),
            ("breach", on.breach, tasks),
        ):
            kind = "task" if field == "breach" else field
            yield from draft.unknown((*path, "on", field), kind, [given] if given else [], known)
        about = [violation.about] if violation.about else []
        yield from draft.unknown((*path, "about"), "text attribute or text field of an event", about, texts)
        if on.told_by_customer and not about:
            yield draft.fault((*path, "about"), "nothing says whom it concerns", f"name the field: {one_of(texts)}")
        if about and not on.told_by_customer:
            yield draft.fault((*path, "about"), "a breach concerns whoever was to do the task", "leave it out")
        yield from draft.unknown((*path, "confirm"), "role", violation.confirm, program.roles())


def _texts(program: Program) -> list[str]:
    """Where a program can name somebody of the staff: text attributes of customers, and text fields of events."""
    fields = [program.attributes, *(event.fields for event in program.events.values())]
    return sorted({name for each in fields for name, kind in each.items() if kind == "text"})


def _appraisals(draft: Draft) -> Iterator[Fault]:
    """Whom an appraisal concerns is told, what it counts is asked, and its bands leave nobody out."""
    program = draft.program
    for index, appraisal in enumerate(program.appraisals):
        path: Path = ("appraisals", index)
        about = [appraisal.about]
        yield from draft.unknown((*path, "about"), "text attribute or text field of an event", about, _texts(program))
        yield from draft.unknown((*path, "of"), "flow", appraisal.of, [flow.id for flow in program.flows])
        scored = dict.fromkeys(_scored(program, appraisal.of))
        yield from draft.unknown((*path, "questions"), "question with a scale", appraisal.questions, scored)
        for number, band in enumerate(appraisal.bands):
            place = (*path, "bands", number)
            yield from draft.unknown((*place, "tell"), "role", band.tell, program.roles())
            yield from _band(draft, place, band, appraisal.bands[:number], is_last=band is appraisal.bands[-1])


def _scored(program: Program, flows: Sequence[str]) -> Iterator[str]:
    """The questions with a scale that these flows ask; none named: all flows."""
    sent = (flow.message for flow in program.flows if flow.message and (flow.id in flows or not flows))
    for survey in (program.surveys.get(message.survey) for message in sent if message.survey):
        yield from (
            question.id for question in (survey.questions if survey else ()) if question.scale is not Scale.TEXT
        )


def _band(draft: Draft, path: Path, band: Band, before: Sequence[Band], *, is_last: bool) -> Iterator[Fault]:
    """A band that takes nobody, or leaves somebody without one."""
    limit = band.limit
    if band.above is not None and band.at_least is not None:
        yield draft.fault((*path, "at_least"), "it has two limits", "leave one out")
    elif limit is None and not is_last:
        yield draft.fault(path, "it takes everybody that is left", "give it a limit, or put it last")
    elif limit is not None and is_last:
        yield draft.fault(path, "whoever is lower has no band", "add a last band without a limit")
    elif band.above == 1:
        yield draft.fault((*path, "above"), "nobody has more than 100%", "write at_least: 100%")
    elif limit is not None and any(other.limit is not None and other.limit <= limit for other in before):
        yield draft.fault(path, "the bands before it take everybody in it", "put the best band first")


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


def _archive(draft: Draft) -> Iterator[Fault]:
    """Forms outlive their surveys, several people approve a deletion, and who is kept apart hears no answers."""
    program, archive = draft.program, draft.program.archive
    if archive:
        for name, survey in program.surveys.items():
            if until(_BEGUN, archive.keep, ZoneInfo("UTC")) < until(_BEGUN, survey.closes_after, ZoneInfo("UTC")):
                said = f"{archive.keep} is over before the survey {name!r} closes ({survey.closes_after})"
                yield draft.fault(("archive", "keep"), said, "keep forms longer")
        for index, role in enumerate(archive.deletion):
            if role in archive.deletion[:index]:
                remedy = "name each role once: they are different people"
                yield draft.fault(("archive", "deletion", index), f"{role!r} stands twice", remedy)
    for index, role in enumerate(program.independent_of):
        for place in _hears_answers(program, role):
            said = f"{role!r} is kept apart from the surveys, and hears of answers as {place}"
            remedy = "give that to another role, or leave this one out"
            yield draft.fault(("independent_of", index), said, remedy)


_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def _hears_answers(program: Program, role: str) -> Iterator[str]:
    """Where a program tells a role who was asked, or what somebody answered."""
    rule = program.callback
    named = [rule.owner, *(rung.role for rung in rule.ladder), *(owner.role for owner in rule.owners)]
    if role in (*named, *([rule.stand_in.role] if rule.stand_in else [])):
        yield "one who is told of tickets (callback)"
    if any(role in alert.ping for alert in program.replies.alerts.values()):
        yield "one who is told of alerts (replies.alerts)"
    if any(role in (approval.author, approval.approver) for _, approval in program.approvals):
        yield "author or approver (approval)"
    if program.archive and role in program.archive.deletion:
        yield "one who approves deletions (archive.deletion)"
    if any(role in violation.confirm for violation in program.violations.values()):
        yield "one who decides about violations (violations)"
    silent = [flow.task for flow in program.flows if isinstance(flow.on, Unanswered)]
    asked = [rule.visit, rule.report, program.replies.suggestion, *(each.task for each in rule.resurvey.by)]
    for task in (*silent, *asked, *(quota.task for quota in program.quotas)):
        if task and role in (task.role, task.superior):
            yield f"doer or superior of a task ({task.kind})"


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
            if flow.on.closes_on and due_at is None:
                said = "nothing says until when contacts count on that day"
                yield draft.fault((*path, "closes_on"), said, 'give it `due_at`, such as "17:00"')
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
    yield from _apart(draft, path, trigger.seasons)


def _apart(draft: Draft, path: Path, seasons: Iterable[SeasonRule | ShiftSeason]) -> Iterator[Fault]:
    """No day of the year lies in two seasons."""
    days: set[date] = set()
    for index, rule in enumerate(seasons):
        season = Season(rule.from_, rule.to)
        own = {day for day in _LEAP_YEAR if season.holds(day)}
        if twice := own & days:
            said = f"{min(twice):%m-%d} is in another season, too"
            yield draft.fault((*path, "seasons", index), said, "let each begin after the other ends")
        days |= own


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
        known = [name for name, kind in event.fields.items() if kind in ("number", "date")] if event else []
        if flow.after_field not in known:
            said = f"{flow.after_field!r} is no number or date field of the event"
            yield draft.fault((*path, "after_field"), said, one_of(known))
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
    kinds = {kind: contacts[kind] for kind in task.counts_as if kind in contacts}
    noted = {*task.fields, *(name for contact in kinds.values() for name in contact.fields)}
    yield from draft.unknown((*path, "required"), "field", task.required, noted)
    yield from draft.unknown((*path, "counts_as"), "contact", task.counts_as, contacts)
    for kind, contact in kinds.items():
        for name in contact.required:
            if name not in task.required:
                said = f"a {kind} without {name!r} does not count"
                yield draft.fault((*path, "required"), said, f"add {name} to what is required")
    yield from draft.unknown((*path, "copy_to"), "role", task.copy_to, draft.program.roles())
    if task.appointment:
        yield from _appointment(draft, path, task.appointment)
    yield from _hours(draft, path, task)


def _hours(draft: Draft, path: Path, task: TaskAction) -> Iterator[Fault]:
    """What runs by the clock is called for by an event, and what an event does is no contact."""
    flow = draft.program.flows[int(path[1])] if path[0] == "flows" else None
    event = flow.on.event if flow and isinstance(flow.on, AfterEvent) and flow.on.every is None else None
    used = [name for name, is_so in (("at_once", task.at_once), ("within", task.is_by_the_clock)) if is_so]
    for name in [*used, *(["done_by"] if task.done_by else [])]:
        if event is None or (flow and flow.message):
            remedy = "leave it out, or call for it by a flow of its own: on: {event: ...}, and no message"
            yield draft.fault((*path, name), "only an event says since when it waits", remedy)
    if task.is_by_the_clock:
        for name in sorted({"at", "month_end", "any_day"} & task.model_fields_set):
            yield draft.fault((*path, name), f"it is due {task.within} after its event", "leave it out")
        if task.within and task.within.amount < 1:
            yield draft.fault((*path, "within"), f"{task.within} is no time to do it in", "write 2h, or 30min")
    if flow and task.at_once and (flow.same_day or "after" in flow.model_fields_set):
        said = "it opens with its event, and not later"
        yield draft.fault((*path, "at_once"), said, "leave out `after` and `same_day`")
    if task.done_by:
        yield from _done_by(draft, (*path, "done_by"), task, task.done_by, event)


def _done_by(draft: Draft, path: Path, task: TaskAction, done_by: str, event: str | None) -> Iterator[Fault]:
    """There is such an event, which comes later and brings what is noted."""
    program = draft.program
    yield from draft.unknown(path, "event", [done_by], program.events)
    if done_by == event:
        yield draft.fault(path, "that calls for it, and cannot also be its doing", "name the event that comes after it")
    if any(raised.event == done_by for contact in program.contacts.values() for raised in contact.raises):
        yield draft.fault(path, "a contact raises this event", "name the contact in `counts_as`")
    if task.counts_as or task.required:
        said = "an event is no contact, and brings what it brings"
        yield draft.fault(path, said, "leave out `counts_as` and `required`, or this")


def _appointment(draft: Draft, path: Path, appointment: Appointment) -> Iterator[Fault]:
    """It is announced for a date, and its time is told."""
    flow = draft.program.flows[int(path[1])] if path[0] == "flows" else None
    if flow is None or flow.message is None or not isinstance(flow.on, OnDate):
        remedy = "leave it out, or give its flow a date (on: {date: ...}) and a message"
        yield draft.fault((*path, "appointment"), "nothing announces it to the customer", remedy)
    texts = [name for name, kind in draft.program.attributes.items() if kind == "text"]
    named = [appointment.time] if appointment.time else []
    yield from draft.unknown((*path, "appointment", "time"), "text attribute", named, texts)
