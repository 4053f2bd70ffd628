"""The shape of a program: one industry's policy as frozen values. `flows/load.py` makes it from YAML.

Every number of a policy stands here as a field that YAML fills; none stands in code. Fields carry a description
because the reference page and the editors' JSON Schema are generated from this file, `triggers.py` and `actions.py`.
"""

from collections.abc import Mapping
from datetime import date, time
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from flows.actions import FieldKind, MessageAction, Occasion, TaskAction
from flows.appraisals import Appraisal
from flows.approval import Approval
from flows.archive import Archive
from flows.assignment import Assignment
from flows.audience import EVERYBODY
from flows.calendar import Calendar
from flows.duties import Duty
from flows.fields import (
    WEEKDAYS,
    IntervalField,
    MonthDayField,
    OffsetField,
    Part,
    PredicateField,
    ShareField,
    StepOffsetField,
    TimeField,
    WeekdayField,
    WindowField,
    WindowsField,
    Words,
)
from flows.offsets import Offset, parse_offset
from flows.promises import Period
from flows.shifts import Shift
from flows.triggers import OnFestival, Trigger
from flows.violations import KindField, Violation
from flows.windows import OffDay, Permits, Windows, parse_windows
from messages.catalog import Purpose
from messages.reading import Scale


class OffDays(Part):
    """What a step does on an off day (R40)."""

    weekend: OffDay = Field(OffDay.DEFER, description="send | defer: an ordinary Saturday or Sunday")
    holiday: OffDay = Field(OffDay.DEFER, description="send | defer: every day of the off table")
    advance: bool = Field(False, description="move to the previous permitted day instead of the next")


class ClassRule(Part):
    """Who belongs to a class by what was measured; the first rule that holds decides (R4)."""

    class_: str = Field(alias="class")
    where: PredicateField = Field(description="predicate over measures and attributes")


class Classes(Part):
    """Classes of customers; at most one per program (R3)."""

    names: tuple[str, ...] = Field((), description="the classes that exist")
    default: str | None = Field(None, description="the class of a customer who comes without one")
    rules: tuple[ClassRule, ...] = Field((), description="computed anew once a period; nobody's rule: class unchanged")
    every: Period = Field(Period.MONTH, description="how often the rules are looked at, on the first workday")


class Activity(Part):
    """The event whose last date, count and sum are the customer's measures."""

    event: str = Field(description="event type that counts as activity")
    amount: str | None = Field(None, description="field of the event that is summed")


class EventType(Part):
    """Something that can happen to a customer (R14)."""

    name: Words = Field(description="what staff read")
    fields: Mapping[str, FieldKind] = Field(default_factory=dict, description="fields of its data; others are refused")
    sets: Mapping[str, str] = Field(
        default_factory=dict,
        description="attribute, kind.date or kind.state of its matter -> the field that says its new value (R11, R20); "
        "'=word' is the word itself, 'at' the event's own day",
    )
    item: str | None = Field(None, description="field that says what it was about, in messages: {{ item }}")


class Raised(Part):
    """An event that a logged contact tells beside itself: what was noted of a visit alerts somebody the same day."""

    event: str = Field(description="type of the event; its flows say what follows")
    where: PredicateField = Field(EVERYBODY, description="predicate over the contact's fields and the customer")
    data: Mapping[str, str] = Field(
        default_factory=dict, description="field of the event -> field of the contact that says it"
    )


class ContactKind(Part):
    """A contact that staff log, or that comes from another system: a call, a visit, a letter (R26, R27, R198)."""

    name: Words = Field(description="what staff read")
    fields: Mapping[str, FieldKind] = Field(default_factory=dict, description="what is noted of it; others are refused")
    required: tuple[str, ...] = Field((), description="fields without which it is kept, but does not count")
    counts: PredicateField = Field(EVERYBODY, description="predicate over its fields: whether it counts at all")
    raises: tuple[Raised, ...] = Field((), description="events that it tells beside itself, whether it counts or not")
    reaches: bool = Field(
        True, description="whether somebody spoke with the customer; false: paperwork, which no follow-up rate counts"
    )


class MatterKind(Part):
    """A contract, vehicle, invoice, order or project: a customer may have several, each with its own dates."""

    name: Words = Field(description="what staff read")
    dates: tuple[str, ...] = Field((), description="its dates, as triggers name them: kind.date; closed: none counts")


class Quota(Part):
    """What a period must have reached, compared exactly (R63, R64)."""

    id: str
    name: Words = Field(default_factory=dict, description="what staff read; none: the id")
    rate: Literal["follow_up", "collection", "issue", "handling"] = Field(
        description="follow_up: contacted of eligible; collection: returned of sent; issue: sent of population; "
        "handling: closed of raised"
    )
    of: tuple[str, ...] = Field((), description="flows that it counts; none: all of the program")
    among: tuple[str, ...] = Field(
        (),
        description="follow_up: every customer of these classes counts, asked or not; whoever answered, or had a "
        "logged contact that counts in the period, was contacted",
    )
    by: Literal["class"] | None = Field(None, description="class: each class by itself")
    target: ShareField = Field(description="at least this share: 80%")
    period: Period = Period.MONTH
    reached: Literal["answered", "delivered", "attempted"] = Field(
        "answered", description="what counts as contacted (R75); a call that a person recorded always does"
    )
    penalty_per: ShareField | None = Field(None, description="one point off for each full share below: 5%")
    task: TaskAction | None = Field(
        None,
        description="drawn for as many as are missing at the period's end (R70), from whom nobody reached; collection: "
        "from who was asked and is silent; issue: from whom nothing was sent",
    )


class Question(Part):
    """One question of a survey (R49)."""

    id: str
    scale: Scale = Field(description="1-5 | 0-10 | 1-10 | 0-100 | level5 | yesno | text")
    text: Words = Field(description="the question in each language")
    weight: float = Field(0, ge=0, le=100, description="share of the 100 points; weights of a survey sum to 100")
    critical: bool = Field(False, description="a 'no' opens a ticket (R122)")
    topic: str | None = Field(None, description="what it is about, for the queue and reports")
    levels: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="language -> the words that are offered, best first"
    )


class Survey(Part):
    """Ordered questions; the first `ask` of them in the conversation, all behind the link (R56)."""

    questions: tuple[Question, ...] = Field(min_length=1)
    ask: int = Field(1, ge=1, le=3, description="questions asked in the conversation (at most 3)")
    closes_after: OffsetField = Field(
        parse_offset("14d"), description="replies later than this are late (R123); days end at 24:00"
    )
    complaints: Literal["ticket", "note"] = Field(
        "ticket",
        description="note: a complaint in words is kept; a low score, an alert or a wish to be called needs a person",
    )
    approval: Approval | None = Field(
        None, description="asks nobody anything before it is approved; edited, it is a draft again (R54)"
    )

    def question(self, question_id: str) -> Question:
        return next(question for question in self.questions if question.id == question_id)

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions that the conversation asks, in order."""
        return self.questions[: self.ask]


class Flow(Part):
    """One rule of a program: trigger, timing, audience, action."""

    id: str
    on: Trigger
    audience: PredicateField = Field(
        EVERYBODY, description="who is meant: a predicate over class, measures, attributes"
    )
    after: StepOffsetField = Field(
        parse_offset("0d"), description="offset from the trigger's date: 7d, 1mo, 2h, 3wd (workdays)"
    )
    before: StepOffsetField | None = Field(None, description="instead: so long before a date or a milestone: 3d, 3wd")
    after_field: str | None = Field(
        None, description="field of the event with a number of days, or with the day itself, instead of `after`"
    )
    same_day: bool = Field(False, description="send on the event day itself, two hours later, within hard hours (R31)")
    deadline: OffsetField | None = Field(None, description="within N of the event: a hard limit (R24)")
    valid_for: OffsetField = Field(
        parse_offset("7d"), description="without a deadline: late by more than this is expired"
    )
    off_days: OffDays | None = Field(None, description="overrides the program's")
    stops_on: tuple[str, ...] = Field((), description="events that cancel what this flow has planned (R17)")
    breach: bool = Field(False, description="it comes since a promise was not kept: its task is told as a breach, too")
    exempt_from_cap: bool = Field(False, description="does not count for the weekly cap (R82)")
    set_class: str | None = Field(None, description="the customer's class once this fires")
    message: MessageAction | None = None
    task: TaskAction | None = None

    def template_names(self) -> tuple[str, ...]:
        """The templates it may send; `{festival}` in a name stands for each of its festivals."""
        if self.message is None:
            return ()
        festivals = self.on.festivals if isinstance(self.on, OnFestival) else ()
        if "{festival}" not in self.message.template:
            return (self.message.template,)
        return tuple(self.message.template.replace("{festival}", festival) for festival in festivals)

    @property
    def purpose(self) -> Purpose:
        return self.message.purpose if self.message else Purpose.SERVICE

    @property
    def occasion(self) -> Occasion | None:
        """What its message is sent for, where that is said."""
        if self.message and self.message.occasion is None and isinstance(self.on, OnFestival):
            return "festival"
        return self.message.occasion if self.message else None


class Low(Part):
    """What counts as dissatisfied (R122)."""

    level: int = Field(2, ge=0, le=5, description="this level or less")
    points: int = Field(60, ge=0, le=100, description="fewer points than this, on scales that have no levels")


class Alert(Part):
    """Words that notify somebody at once, whatever the score (R121)."""

    words: Mapping[str, tuple[str, ...]] = Field(description="language -> words")
    ping: tuple[str, ...] = Field(description="roles that are pinged at once")


class Replies(Part):
    """What follows a reply: thanks or apology at once (R106)."""

    low: Low = Low()
    neutral_level: int = Field(3, description="the level that gets the neutral answer")
    thanks_satisfied: str = "thanks_satisfied"
    thanks_neutral: str = "thanks_neutral"
    apology: str = "apology"
    ask_details: str | None = Field(None, description="template sent after the apology: what happened, who, which wish")
    alerts: Mapping[str, Alert] = Field(default_factory=dict)
    topics: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="topic -> words that name it (R119)"
    )
    annoyed: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="language -> words of annoyance with us: half as often from then on, no calls (R83);"
        " what is an opt-out by itself, such as leave me alone, stays one",
    )
    annoyed_by_calls: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="the same, of words about our calls: no opt-out unless more is said (R84)"
    )
    suggestion: TaskAction | None = Field(None, description="what a suggestion calls for")
    unclear: Words = Field(
        {"zh": "判读不清楚的回复", "en": "Say what an unclear reply meant"},
        description="what staff read on the task to say what a reply meant that was unclear twice (R116); "
        "whoever owns tickets does it",
    )


class Wording(Part):
    """How the messages of a program begin and end: each with one of these, written like templates (R102)."""

    begins: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="language -> openings, one of which every message begins with"
    )
    ends: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="language -> endings, one of which every message ends with"
    )


class Rung(Part):
    """One step of the ladder: who is told when."""

    at: str = Field(description="share of the SLA, or share + time: 50%, 100%+24h", pattern=r"^\d{1,3}%(\s*\+\s*\S+)?$")
    role: str

    @property
    def share(self) -> float:
        return int(self.at.split("%")[0]) / 100

    @property
    def extra(self) -> Offset | None:
        rest = self.at.split("%")[1].replace("+", "").strip()
        return parse_offset(rest) if rest else None


class AskRule(Part):
    """A call or a visit that asks again, for tickets of some kind (R148)."""

    where: PredicateField = Field(EVERYBODY, description="predicate as of an owner, without alerts; none: every ticket")
    task: TaskAction = Field(description="notes `score`, a number that is required, on the scale of the survey")


class Resurvey(Part):
    """How the customer is asked again once the handling is recorded (R147)."""

    after: OffsetField = parse_offset("1d")
    template: str = "resurvey"
    survey: str = Field(description="id of the survey that asks again")
    off_days: OffDays | None = None
    by: tuple[AskRule, ...] = Field(
        (), description="staff ask instead of the message: the first rule that holds; none of them: the message"
    )


class OwnerRule(Part):
    """Who owns tickets of some kind: by what they are about, how grave they are, or whose (R119, R130, R162)."""

    role: str
    where: PredicateField = Field(
        description="predicate over topic, category, urgent, about_staff, the names of alerts, the data of the event "
        "asked about, and the class and attributes of the customer"
    )


class StandIn(Part):
    """Who answers while a role is off: a holiday duty (rule 6)."""

    role: str = Field(
        min_length=1,
        description="has their tickets on these days: who of it is named for the day (`huifang staff duty`), else all",
    )
    on: tuple[Literal["weekend", "holiday"], ...] = Field(
        ("holiday",), min_length=1, description="days of these kinds; every day of the off table is a holiday"
    )
    instead_of: tuple[str, ...] = Field((), description="roles that are off then; none: the owner of tickets")


class Concentrated(Part):
    """Tickets about one topic that come close together, told as one item (R135)."""

    count: int = Field(3, ge=2, description="so many of one topic")
    within: IntervalField = Field(
        parse_offset("7d"), description="opened within so long; a topic that was told is not told again for as long"
    )
    tell: tuple[str, ...] = Field(min_length=1, description="roles that are told, each member once")


class Callback(Part):
    """How an unhappy customer reaches a person (R128-R144)."""

    owner: str = Field(description="role that owns a new ticket")
    owners: tuple[OwnerRule, ...] = Field(
        (), description="instead: the first rule that holds; its role is told in place of the owner and of all below it"
    )
    sla: OffsetField = Field(parse_offset("72h"), description="promised time; a time in days ends that day at 24:00")
    clock: Literal["calendar", "business"] = "calendar"
    ladder: tuple[Rung, ...] = Field(min_length=1)
    superior: str | None = Field(
        None, description="who hears at once of a complaint about the staff (R134); none: the next of the ladder"
    )
    acknowledge_within: OffsetField | None = Field(
        parse_offset("15min"), description="then the next in the ladder is pinged (R144)"
    )
    off_days: OffDays | None = Field(None, description="days for the call; overrides the program's")
    stand_in: StandIn | None = Field(None, description="who answers while the owner is off")
    concentrated: Concentrated | None = Field(None, description="who hears that many complain about one thing (R135)")
    report: TaskAction | None = Field(
        None, description="opens with each new ticket: who writes it down, such as in the table of the day, and by when"
    )
    visit: TaskAction | None = Field(
        None, description="opens with each further round: what a call did not solve is looked at on the spot (R142)"
    )
    resurvey: Resurvey


class Cap(Part):
    """At most `messages` automatic messages per customer in `days` days, over all programs (R82)."""

    messages: int = Field(3, ge=1)
    days: int = Field(7, ge=1)


class Program(Part):
    """One industry's policy."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    version: int = Field(1, ge=1)
    name: Words
    sources: tuple[str, ...] = ()
    company: Words = Field(description="the sender's name in messages (R111)")
    company_phone: str = ""
    zone: str = Field("Asia/Shanghai", description="IANA zone of customers who state none")
    region: str = Field("CN", description="calendar of off days")
    workweek: tuple[WeekdayField, ...] = Field(
        ("mon", "tue", "wed", "thu", "fri"), min_length=1, description="weekdays that are worked"
    )
    language: str = "zh"
    active_from: date | None = Field(None, description="older events are facts and plan nothing")
    hard_hours: WindowField = Field(default_factory=lambda: parse_windows(["09:00-20:00"])[0])
    windows: WindowsField = Field(default_factory=lambda: parse_windows(["09:00-12:00", "14:00-18:00"]))
    off_days: OffDays = OffDays()
    classes: Classes = Classes()
    activity: Activity | None = None
    attributes: Mapping[str, FieldKind] = Field(default_factory=dict)
    persons: tuple[str, ...] = Field((), description="roles of contact persons at a customer (R2)")
    responsible: int = Field(0, ge=0, description="members of staff that each customer must have (R10)")
    assignment: tuple[Assignment, ...] = Field((), description="who may be responsible for which customers (R162)")
    events: Mapping[str, EventType] = Field(default_factory=dict)
    contacts: Mapping[str, ContactKind] = Field(default_factory=dict)
    matters: Mapping[str, MatterKind] = Field(default_factory=dict)
    milestones: Mapping[str, Words] = Field(default_factory=dict, description="kinds of milestones (R15)")
    days: Mapping[str, MonthDayField] = Field(
        default_factory=dict, description="days of the company's own year, used like festivals (R46): 10-18"
    )
    surveys: Mapping[str, Survey] = Field(default_factory=dict)
    flows: tuple[Flow, ...]
    quotas: tuple[Quota, ...] = ()
    appraisals: tuple[Appraisal, ...] = ()
    duties: tuple[Duty, ...] = Field((), description="work of staff that comes round and is about no customer")
    shifts: Mapping[str, Shift] = Field(
        default_factory=dict, description="hours at which another role does what is `at_once`: a night duty (R164)"
    )
    archive: Archive | None = Field(None, description="how long forms are kept; none: for ever")
    independent_of: tuple[str, ...] = Field(
        (),
        description="roles that take no part in its surveys, whatever else they are: they see neither who was asked "
        "nor a single answer, and may not approve a survey (R159)",
    )
    wording: Wording = Wording()
    replies: Replies = Replies()
    callback: Callback
    violations: Mapping[KindField, Violation] = Field(
        default_factory=dict, description="what staff must not do, and what is proposed where it is confirmed (R167)"
    )
    cap: Cap = Cap()
    greeting_at: TimeField = time(10)
    horizon: IntervalField = Field(
        parse_offset("2d"), description="festivals, dates and cadences are planned so far ahead; lots are drawn on time"
    )
    assumptions: tuple[str, ...] = Field((), description="defaults of ours that the policy leaves open (A)")

    def flow(self, flow_id: str) -> Flow:
        return self._flows_by_id[flow_id]

    @cached_property
    def _flows_by_id(self) -> dict[str, Flow]:
        return {flow.id: flow for flow in self.flows}

    @cached_property
    def rostered(self) -> tuple[str, ...]:
        """The roles whose members are named for days: only who is named hears what is pinged on such a day."""
        stand_in = [self.callback.stand_in.role] if self.callback.stand_in else []
        shifts = [shift.role for shift in self.shifts.values()]
        asked_for = [role for duty in self.duties for role in duty.unless_rostered]
        return tuple(dict.fromkeys([*stand_in, *shifts, *asked_for]))

    def duty(self, duty_id: str) -> Duty | None:
        return next((duty for duty in self.duties if duty.id == duty_id), None)

    @cached_property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def calendar(self) -> Calendar:
        """The off days of its region, with its own workweek."""
        return Calendar(self.region, workweek=frozenset(WEEKDAYS.index(day) for day in self.workweek))

    def permits(self, flow: Flow | None = None, off_days: OffDays | None = None) -> Permits:
        """When this program, or one flow of it, may contact somebody."""
        days = off_days or (flow.off_days if flow and flow.off_days else self.off_days)
        return Permits(
            windows=Windows(times=self.windows, hard=self.hard_hours),
            weekend=days.weekend,
            holiday=days.holiday,
            advance=days.advance,
        )

    def text(self, words: Words, language: str) -> str:
        """One of several languages: the asked one, else the program's, else the first."""
        return words.get(language) or words.get(self.language) or next(iter(words.values()))

    def roles(self) -> tuple[str, ...]:
        """Every role that the program may ping, the owner first."""
        roles = [self.callback.owner, *(rung.role for rung in self.callback.ladder)]
        roles += [rule.role for rule in self.callback.owners]
        roles += [self.callback.superior] if self.callback.superior else []
        roles += self.callback.concentrated.tell if self.callback.concentrated else ()
        roles += [role for alert in self.replies.alerts.values() for role in alert.ping]
        roles += [role for _, each in self.approvals for role in (each.author, each.approver)]
        roles += [role for rule in self.assignment for role in rule.roles]
        roles += self.archive.deletion if self.archive else ()
        roles += self.rostered
        for task in self.tasks():
            roles += [task.role, *([task.superior] if task.superior else [])]
        return tuple(dict.fromkeys(roles))

    @cached_property
    def approvals(self) -> tuple[tuple[str, Approval], ...]:
        """(survey or template, who approves it) of all that must be; none: everything goes out as it stands."""
        asked = [(name, survey.approval) for name, survey in self.surveys.items() if survey.approval]
        flows = [(flow, flow.message.approval) for flow in self.flows if flow.message and flow.message.approval]
        return (*asked, *((name, approval) for flow, approval in flows for name in flow.template_names()))

    @cached_property
    def unclear(self) -> TaskAction:
        """The task to say what a reply meant."""
        return TaskAction(kind="unclear_reply", name=self.replies.unclear, role=self.callback.owner)

    def tasks(self) -> tuple[TaskAction, ...]:
        """Every task that the program may call for; those of tickets, which no flow names, come first."""
        of_tickets = [self.callback.report, self.callback.visit, *(rule.task for rule in self.callback.resurvey.by)]
        from_flows = [flow.task for flow in self.flows]
        from_duties = [duty.task for duty in self.duties]
        others = [*(quota.task for quota in self.quotas), *from_duties, self.replies.suggestion, self.unclear]
        return tuple(task for task in (*of_tickets, *from_flows, *others) if task is not None)

    def shown(self, flow_id: str, kind: str, role: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """What whoever does a task must know of its customer, by attribute; None where nobody has told it."""
        flow = self._flows_by_id.get(flow_id)
        of_kind = (each for each in self.tasks() if (each.kind, each.role) == (kind, role))
        task = flow.task if flow else next(of_kind, None)
        return {name: attributes.get(name) for name in (task.shows if task else ())}

    def variables(self) -> tuple[str, ...]:
        """What its templates may name beside the variables of the house: attributes and fields of its events."""
        fields = (name for event in self.events.values() for name in event.fields)
        noted = (name for task in self.tasks() if task.answer for name in task.fields)
        return tuple(dict.fromkeys((*self.attributes, *fields, *noted)))

    def template_names(self) -> tuple[str, ...]:
        """Every template that the program may need."""
        own = [name for flow in self.flows for name in flow.template_names()]
        own += [task.answer for task in self.tasks() if task.answer]
        replies = self.replies
        return (
            *own,
            replies.apology,
            *([replies.ask_details] if replies.ask_details else []),
            replies.thanks_satisfied,
            replies.thanks_neutral,
            self.callback.resurvey.template,
        )


def field_kind(value: Any) -> str:
    """The kind of a datum as programs declare it: number, text, flag or date."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    return "date" if isinstance(value, date) else "text"
