"""Writes the parts of the documentation that the code already knows: `python docs/generate.py`.

docs/programs.md    the reference of the program language, from the models of `flows/`: program, triggers, actions
docs/marketers.md   the table of variables between its two marks, from `messages/render.py`
docs/schema/        the JSON Schema of programs, for editors, as `huifang schema` prints it

`tests/rules/test_docs.py` holds all of them equal to what this prints, and reads every example below as a
program would.
"""

import re
import types
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows import actions, appraisals, approval, archive, assignment, duties, fields, shifts, triggers, violations
from flows import program as language
from flows.audience import FLAGS, MEASURES, All
from flows.calendar import Festival
from flows.fields import PERIOD_MONTHS, Part
from flows.program import Program
from flows.schema import as_written, schema_text
from messages.render import VARIABLES

DOCS = Path(__file__).parent
SCHEMA = DOCS / "schema" / "program.schema.json"
BEGIN, END = "<!-- variables: python docs/generate.py -->", "<!-- end of variables -->"

SECTIONS: tuple[tuple[type[Part], str, str], ...] = (
    (Program, "The program", "The whole file. Fields may stand in any order."),
    (language.OffDays, "off_days", "Stands in the program, and in a flow, the callback or a re-survey that differs."),
    (language.Classes, "classes", "A class belongs to a program, not to a customer."),
    (language.ClassRule, "rules", "A list in `classes`."),
    (language.Activity, "activity", "The measures are `activity_count`, `activity_total` and `days_since_activity`."),
    (
        assignment.Assignment,
        "assignment",
        "A list. A customer who is told with another member of staff is refused, with the reason.",
    ),
    (language.EventType, "events", "`events` maps the name of an event to its fields."),
    (language.ContactKind, "contacts", "`contacts` maps the name of a kind, such as `call`, to its fields."),
    (language.Raised, "raises", "A list in `contacts`. A contact that is told a week late alerts nobody any more."),
    (language.MatterKind, "matters", "`matters` maps the name of a kind to its dates."),
    (language.Survey, "surveys", "`surveys` maps an id to its questions."),
    (language.Question, "questions", "In the order in which they are asked."),
    (
        approval.Approval,
        "approval",
        "It stands in a survey, and in a message. What ships may go out; what was edited or withdrawn waits until it "
        "is submitted and another person approves it: `huifang approval`.",
    ),
    (language.Flow, "flows", "A list. Each flow is one rule: when, to whom, what."),
    (
        triggers.AfterEvent,
        "on: event",
        "`after`, `deadline` and `same_day` of the flow count from it. Where it comes again, the flow of a new class "
        "takes over from that of the old one, counted from its last step.",
    ),
    (triggers.OnSilence, "on: silence", "The activity is the event that the program's `activity` names."),
    (
        triggers.Every,
        "on: every",
        "A customer of another class begins anew. A contact means the step that is open or to come: one that is logged "
        "after a message was sent, answered or not, and before the next nominal date begins the interval anew.",
    ),
    (triggers.SeasonRule, "seasons", "A list in a trigger that comes again."),
    (triggers.OnDate, "on: date", "`before` or `after` of the flow says how far from it."),
    (triggers.OnFestival, "on: festivals", "Off days do not move a greeting."),
    (triggers.OnMilestone, "on: milestones", "`before` or `after` of the flow says how far from it."),
    (triggers.FirstWorkdays, "on: first_workdays", "What the last of them has not seen expires."),
    (triggers.Sample, "on: every + sample", "`after` of the flow counts from the first day of the period."),
    (triggers.Wave, "on: waves", "A week without a workday has no wave, and the trail says so."),
    (
        triggers.Round,
        "on: round",
        "Without `sample` and `share` everybody who is meant is asked. Each day counts from the one before: monthly "
        "rounds from the 31st come on the 30th, and from February on always on the 28th.",
    ),
    (
        triggers.AtLeast,
        "on: at_least",
        "Each is told with the flow's task. It is due when the period ends, at its `at` on the last day; what is "
        "missing then is one breach, and the superior of the task hears of it.",
    ),
    (triggers.Unanswered, "on: unanswered", "The reminder goes on with the same survey, before it closes."),
    (actions.MessageAction, "message", "It stands in a flow."),
    (actions.Appointment, "appointment", "It stands in a task."),
    (actions.TaskAction, "task", "It stands in a flow, a quota and a duty, and in `replies` as `suggestion`."),
    (language.Quota, "quotas", "A list. Each is closed on the first workday after its period."),
    (
        appraisals.Appraisal,
        "appraisals",
        "A list. Looked at on the first workday after the period: satisfied of all who gave a score, where satisfied "
        "is a level above that of `low`. Who complains in words without a score counts nowhere here: that is a ticket.",
    ),
    (
        appraisals.Band,
        "bands",
        "A list, best first. Shares are compared exactly. A band proposes something to whoever hears of it; nothing "
        "happens to anybody by itself.",
    ),
    (duties.Duty, "duties", "A list. Its `on` is one of the next three forms, `first_workdays` or `festivals`."),
    (duties.Daily, "duty on: daily", "`each: staff` makes it a journal that everybody keeps."),
    (duties.Weekly, "duty on: weekly", "Each of the days is a task of its own."),
    (duties.Monthly, "duty on: monthly", "`31` is the last day of every month."),
    (
        shifts.Shift,
        "shifts",
        "`shifts` maps the name of a shift to its rule. What is `at_once` goes to the first that runs; where nobody "
        "has its role, and at all other hours, to the task's own. A night that began on the last day of a season is "
        "of that season.",
    ),
    (shifts.ShiftSeason, "shift seasons", "A list in a shift."),
    (
        shifts.AfterMidnight,
        "after_midnight",
        "It stands in a shift. Whoever took the task in the shift and is done after the 24:00 of its first day has it; "
        "the trail notes who and how much.",
    ),
    (language.Replies, "replies", "Every field may be left out."),
    (language.Low, "low", "It stands in `replies`."),
    (language.Alert, "alerts", "`alerts` maps a flag to its words and roles."),
    (
        language.Wording,
        "wording",
        "`huifang check` and every start hold each template against it that the program names, with all values known "
        "and with each of those missing that may be.",
    ),
    (language.Callback, "callback", "Every program needs one."),
    (
        language.Rung,
        "ladder",
        "A list; each rung is told at its time, in staff hours: from 08:00 to 22:00, at 22:00 sharp still.",
    ),
    (
        language.OwnerRule,
        "owners",
        "A list in `callback`: the first rule that holds. What the event said is known for as long as an answer to the "
        "re-survey would count.",
    ),
    (language.Resurvey, "resurvey", "It stands in `callback`."),
    (
        language.AskRule,
        "resurvey by",
        "A list. The answer that staff note closes the ticket or opens the next round, as a reply would. So does "
        "a clear score that the customer writes while the task is open. Let go, or when nobody is to be called any "
        "more, the message asks after all.",
    ),
    (
        language.StandIn,
        "stand_in",
        "A ticket whose promise runs into such days is handed over on the first of them, at 08:00, and back after the "
        "last. It keeps its owner, and whoever claimed it has it.",
    ),
    (
        language.Concentrated,
        "concentrated",
        "Looked at whenever a ticket opens, whatever becomes of the tickets before it.",
    ),
    (
        violations.Violation,
        "violations",
        "`violations` maps the name of a kind to its rule. One visit, or one complaint, is one case of a kind. Who "
        "must hear of it hears by alerts, ladders and tasks; `huifang violation` and the page of violations decide.",
    ),
    (violations.SuspectedOn, "violations on", "It stands in a violation."),
    (language.Cap, "cap", "Answers inside a conversation do not count."),
    (
        archive.Archive,
        "archive",
        "A form is a survey that somebody was sent, with its answers; those of open tickets stay. The version of the "
        "program in force decides. `huifang archive` says what need not be kept, asks for its deletion and "
        "approves it.",
    ),
)
TITLES: Mapping[type[Part], str] = {model: title for model, title, _ in SECTIONS}

MEANINGS: Mapping[tuple[str, str], str] = {
    ("Program", "id"): "name of the program: small letters, digits, _",
    ("Program", "version"): "a number for readers; the runtime tells versions apart by content",
    ("Program", "name"): "what staff read",
    ("Program", "sources"): "where the policy comes from; for readers",
    ("Program", "company_phone"): "what customers may call: {{ company_phone }}",
    ("Program", "language"): "language of customers who state none",
    ("Program", "hard_hours"): "never left by an automatic message",
    ("Program", "windows"): "preferred times, inside the hard hours; each is open at its start and closed at its end",
    ("Program", "off_days"): "what steps do on off days",
    ("Program", "classes"): "classes of customers",
    ("Program", "activity"): "the event that the measures count",
    ("Program", "attributes"): "attributes of customers that audiences may ask for, and their kinds",
    ("Program", "events"): "what can happen",
    ("Program", "contacts"): "contacts that staff log",
    ("Program", "matters"): "contracts, vehicles and the like, which a customer may have several of",
    ("Program", "surveys"): "what can be asked",
    ("Program", "flows"): "the rules",
    ("Program", "quotas"): "what a period must have reached",
    ("Program", "appraisals"): "satisfaction with each member of staff, in bands",
    ("Program", "replies"): "what follows a reply",
    ("Program", "callback"): "how somebody calls back",
    ("Program", "wording"): "how every message begins and ends",
    ("Program", "cap"): "at most so many automatic messages to one customer",
    ("Program", "greeting_at"): "local time of festival greetings",
    ("ClassRule", "class"): "one of the `names`",
    ("Survey", "questions"): "at least one, and at least one with a scale that measures",
    ("Question", "id"): "name of the question",
    ("OnSilence", "silence"): "how long",
    ("Every", "every"): "how often",
    ("SeasonRule", "every"): "how often in this part of the year",
    ("FirstWorkdays", "first_workdays"): "how many",
    ("Flow", "id"): "name of the flow; `resurvey` is taken",
    ("Flow", "on"): "the trigger: one of the forms below",
    ("Flow", "message"): "what it sends",
    ("Flow", "task"): "what a person does; a flow has a message, a task, both, or only sets a class",
    ("MessageAction", "template"): "name of the template; {festival} stands for the festival",
    ("MessageAction", "purpose"): "greeting, marketing, survey or service: decides consent and caps",
    ("Quota", "id"): "name of the quota",
    ("Quota", "period"): "calendar period that is counted",
    ("Duty", "task"): "what is to be done; `within` and `workdays` count from the day on which it opens",
    ("Replies", "low"): "who counts as unhappy",
    ("Replies", "thanks_satisfied"): "template: thanks above the neutral level",
    ("Replies", "thanks_neutral"): "template: thanks up to the neutral level",
    ("Replies", "apology"): "template: at once, to whoever is unhappy",
    ("Replies", "alerts"): "words that somebody must hear of at once",
    ("Callback", "clock"): "calendar: every hour counts; business: workdays only",
    ("Callback", "ladder"): "who is told when; at least one rung",
    ("Callback", "resurvey"): "how the customer is asked again",
    ("OwnerRule", "role"): "role that owns the ticket; it need not stand on the ladder",
    ("Rung", "role"): "role that is pinged; `auto_repair:manager` at a member of staff means in that program only",
    ("Resurvey", "after"): "after the handling is recorded",
    ("Resurvey", "template"): "template that tells the result and asks",
    ("Resurvey", "off_days"): "overrides the program's",
    ("Cap", "messages"): "how many",
    ("Cap", "days"): "in how many days",
}
"""What a field means, where the model does not say it itself."""

COMES_AGAIN: Mapping[str, str] = {
    "seasons": "[{from: 04-01, to: 10-31, every: 7d}]",
    "contacts": "[call, visit]",
    "until": "machine.guaranteed_until",
}
"""Examples of the fields of whatever comes again."""

IS_DRAWN: Mapping[str, str] = {"sample": "10", "share": "30%", "not_again_within": "90d"}
"""Examples of the fields of whatever is drawn by lot."""

KINDS: Mapping[tuple[str, str], str] = {
    ("EventType", "sets"): "attribute or date: text",
    ("AtLeast", "each"): "`customer` or `staff`",
}
"""The kind of a field, where its type alone does not tell it."""

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "Program": {
        "id": "coffee_club",
        "version": "2",
        "name": "{zh: 咖啡俱乐部, en: Coffee club}",
        "sources": "[S46]",
        "company": "{zh: 青禾咖啡, en: Qinghe Coffee}",
        "company_phone": "400-000-0199",
        "zone": "Europe/Berlin",
        "region": "DE-BY",
        "workweek": "[mon, tue, wed, thu, fri, sat]",
        "language": "en",
        "active_from": "2026-01-01",
        "hard_hours": '"08:00-21:00"',
        "windows": '["09:00-12:00", "14:00-18:00"]',
        "off_days": "{weekend: send, holiday: defer}",
        "classes": "{names: [member, guest], default: guest}",
        "activity": "{event: visit, amount: paid}",
        "attributes": "{city: text, birthday: date}",
        "persons": "[owner, barista]",
        "responsible": "2",
        "assignment": "[{where: class == 'member', roles: [host]}]",
        "events": "{visit: {name: {en: Visit}}}",
        "contacts": "{call: {name: {en: Call}}}",
        "matters": "{machine: {name: {en: Machine}, dates: [guaranteed_until]}}",
        "milestones": "{opening: {en: A new shop opens}}",
        "days": "{anniversary: 10-18}",
        "surveys": '{visit: {questions: [{id: overall, scale: 1-5, text: {en: "How was it?"}}]}}',
        "flows": "[{id: thanks, on: {event: visit}, after: 1d, message: {template: visit}}]",
        "quotas": "[{id: asked, rate: follow_up, target: 80%}]",
        "appraisals": "[{id: hosts, name: {en: Hosts}, about: host, questions: [overall], bands: [{name: {en: ok}}]}]",
        "shifts": '{night: {role: night_host, instead_of: [host], hours: "22:00-06:00"}}',
        "duties": "[{id: till, on: {monthly: 31}, task: {kind: form, name: {en: Count the till}, role: host}}]",
        "replies": "{low: {level: 2}, neutral_level: 3}",
        "violations": "{rude: {name: {en: Rude}, on: {topic: manner}, about: server, confirm: [manager]}}",
        "archive": "{keep: 3y}",
        "independent_of": "[sales]",
        "wording": """{ends: {en: ["{{ company }}, {{ company_phone }}"]}}""",
        "callback": "{owner: host, sla: 24h, ladder: [{at: 0%, role: host}], resurvey: {survey: visit}}",
        "cap": "{messages: 2, days: 7}",
        "greeting_at": '"10:30"',
        "horizon": "3d",
        "assumptions": "[asked one day after the visit]",
    },
    "Assignment": {"where": "class == 'member'", "roles": "[host, manager]", "extension": "stands_in"},
    "OffDays": {"weekend": "send", "holiday": "defer", "advance": "true"},
    "Classes": {
        "names": "[member, guest]",
        "default": "guest",
        "rules": "[{class: member, where: activity_total >= 500}]",
        "every": "month",
    },
    "ClassRule": {"class": "member", "where": "activity_total >= 500 and days_since_activity <= 90"},
    "Activity": {"event": "visit", "amount": "paid"},
    "EventType": {
        "name": "{zh: 到店, en: Visit}",
        "fields": "{drink: text, paid: number, next_service: date}",
        "sets": "{favourite: drink, machine.serviced_on: next_service}",
        "item": "drink",
    },
    "ContactKind": {
        "name": "{zh: 拜访, en: Visit}",
        "fields": "{topic: text, business: flag, next_step: text}",
        "required": "[topic, next_step]",
        "counts": "not business",
        "raises": "[{event: credit_changed, where: credit != 'good', data: {change: credit}}]",
        "reaches": "false",
    },
    "Raised": {"event": "credit_changed", "where": "credit != 'good'", "data": "{change: credit}"},
    "MatterKind": {"name": "{zh: 咖啡机, en: Machine}", "dates": "[guaranteed_until, serviced_on]"},
    "Survey": {
        "questions": '[{id: overall, scale: 1-5, text: {en: "How was it?"}}]',
        "ask": "1",
        "closes_after": "7d",
        "complaints": "note",
        "approval": "{author: marketer, approver: manager}",
    },
    "Approval": {"author": "marketer", "approver": "manager"},
    "Question": {
        "id": "overall",
        "scale": "1-5",
        "text": '{zh: 您满意吗？请回复1-5, en: "How was it? Please reply 1-5"}',
        "weight": "40",
        "critical": "true",
        "topic": "service",
        "levels": "{en: [great, fine, poor]}",
    },
    "Flow": {
        "id": "after_visit",
        "on": "{event: visit}",
        "audience": "class == 'member' and activity_count >= 3",
        "after": "1d",
        "before": "30d",
        "after_field": "days",
        "same_day": "true",
        "deadline": "10d",
        "valid_for": "3d",
        "off_days": "{weekend: send}",
        "stops_on": "[closed_account]",
        "breach": "true",
        "exempt_from_cap": "true",
        "set_class": "member",
        "message": "{template: visit, purpose: survey, survey: visit}",
        "task": "{kind: call, name: {en: Call the guest}, role: host}",
    },
    "AfterEvent": {
        "event": "visit",
        "where": "paid >= 100 and not refunded",
        "share": "30%",
        "every": "1q",
        "once_per": "[topic]",
        "once_within": "7d",
        **COMES_AGAIN,
    },
    "OnSilence": {"silence": "6mo"},
    "Every": {"every": "1mo", **COMES_AGAIN},
    "SeasonRule": {"from": "04-01", "to": "10-31", "every": "7d"},
    "OnDate": {"date": "machine.guaranteed_until"},
    "OnMilestone": {"milestones": "[opening]"},
    "FirstWorkdays": {"first_workdays": "3", "from": "mon", "spread": "true"},
    "Sample": {"every": "1hy", **IS_DRAWN},
    "Wave": {
        "waves": "[mon, wed, fri]",
        "at_least": "2",
        "event": "parcel_signed",
        "where": "not returned",
        "within": "7d",
        **IS_DRAWN,
    },
    "Round": {"round": "1hy", "start": "2027-05-10", "smallest_share": "30%", **IS_DRAWN},
    "AtLeast": {
        "at_least": "2",
        "of": "[call, visit]",
        "per": "week",
        "each": "staff",
        "remind_on": "[fri, sat]",
        "remind_day": "25",
        "remind_before": "14d",
        "remind_at": '"20:30"',
        "due_at": '"21:00"',
        "closes_on": "sat",
    },
    "OnFestival": {"festivals": "[new_year, mid_autumn, anniversary]"},
    "Unanswered": {"unanswered": "after_visit"},
    "MessageAction": {
        "template": "greeting/{festival}",
        "purpose": "survey",
        "occasion": "activity",
        "survey": "visit",
        "channels": "[sms, telegram]",
        "to": "[owner, barista]",
        "pause_during_ticket": "true",
        "approval": "{author: marketer, approver: manager}",
    },
    "TaskAction": {
        "kind": "call",
        "name": "{zh: 致电客户, en: Call the guest}",
        "role": "host",
        "superior": "manager",
        "at_once": "true",
        "within": "2h",
        "workdays": "1",
        "month_end": "true",
        "any_day": "true",
        "at": '"17:00"',
        "fields": "{topic: text, next_step: text, order: number}",
        "required": "[topic, next_step]",
        "shows": "[city]",
        "done_by": "helper_arrived",
        "counts_as": "[call, visit]",
        "appointment": "{time: visit_time}",
        "copy_to": "[manager]",
        "answer": "suggestion_answered",
    },
    "Appointment": {"time": "visit_time"},
    "Quota": {
        "id": "visits_asked",
        "name": "{zh: 到店回访率, en: Visits asked about}",
        "rate": "follow_up",
        "of": "[after_visit]",
        "among": "[member]",
        "by": "class",
        "target": "80%",
        "period": "month",
        "reached": "answered",
        "penalty_per": "5%",
        "task": "{kind: call, name: {en: Call the guest}, role: host}",
    },
    "Appraisal": {
        "id": "servers",
        "name": "{zh: 服务员满意率, en: Satisfaction with servers}",
        "about": "server",
        "of": "[after_visit]",
        "questions": "[service, overall]",
        "period": "quarter",
        "least": "10",
        "bands": "[{above: 90%, name: {en: bonus}}, {name: {en: no bonus}, tell: [manager]}]",
    },
    "Band": {
        "name": "{zh: 发奖金, en: bonus}",
        "above": "90%",
        "at_least": "70%",
        "tell": "[manager]",
    },
    "Duty": {
        "id": "greeting_cards",
        "on": "{festivals: [new_year, anniversary]}",
        "before": "5wd",
        "each": "staff",
        "opens_at": '"08:30"',
        "unless_approved": "new_year",
        "unless_rostered": "[night_host]",
        "task": "{kind: letter, name: {en: Write the cards}, role: host, workdays: 3}",
    },
    "Shift": {
        "role": "night_host",
        "instead_of": "[host]",
        "hours": '"22:00-06:00"',
        "seasons": '[{from: 05-01, to: 09-30, hours: "23:00-06:00"}]',
        "after_midnight": "{amount: 20, each_of: crew}",
    },
    "ShiftSeason": {"from": "05-01", "to": "09-30", "hours": '"23:00-06:00"'},
    "AfterMidnight": {"amount": "20", "each_of": "crew"},
    "Daily": {"daily": "true"},
    "Weekly": {"weekly": "[mon, fri]"},
    "Monthly": {"monthly": "28"},
    "Replies": {
        "low": "{level: 2, points: 60}",
        "neutral_level": "3",
        "thanks_satisfied": "thanks_satisfied",
        "thanks_neutral": "thanks_neutral",
        "apology": "apology",
        "ask_details": "apology_detail",
        "alerts": "{medical: {words: {en: [bleeding]}, ping: [doctor]}}",
        "topics": "{service: [staff, rude, 态度], price: [expensive, 太贵]}",
        "annoyed": "{zh: [太频繁, 骚扰], en: [too often]}",
        "annoyed_by_calls": "{zh: [别老打电话], en: [stop calling]}",
        "suggestion": "{kind: visit, name: {en: Talk it over}, role: host, workdays: 10}",
        "unclear": "{en: Read what it means}",
    },
    "Low": {"level": "2", "points": "60"},
    "Alert": {"words": "{zh: [出血], en: [bleeding]}", "ping": "[doctor, manager]"},
    "Wording": {
        "begins": """{en: ["{{ salutation }},", "Dear guest,"]}""",
        "ends": """{en: ["{{ company }}, {{ company_phone }}"]}""",
    },
    "Callback": {
        "owner": "host",
        "sla": "72h",
        "clock": "calendar",
        "ladder": "[{at: 0%, role: host}, {at: 100%, role: manager}]",
        "superior": "manager",
        "acknowledge_within": "30min",
        "off_days": "{weekend: send, holiday: send}",
        "resurvey": "{after: 1d, survey: visit}",
        "owners": "[{role: kitchen, where: topic == 'food'}]",
        "report": "{kind: table, name: {en: Note it in the table of the day}, role: host}",
        "visit": "{kind: visit, name: {en: Look at it}, role: host, within: 3d}",
        "stand_in": "{role: holiday_duty}",
        "concentrated": "{tell: [kitchen, manager]}",
    },
    "StandIn": {"role": "holiday_duty", "on": "[weekend, holiday]", "instead_of": "[host]"},
    "Concentrated": {"count": "3", "within": "7d", "tell": "[kitchen, manager]"},
    "OwnerRule": {"role": "manager", "where": "grade == 'major' or topic == 'safety'"},
    "AskRule": {
        "where": "grade == 'major'",
        "task": "{kind: call, name: {en: Ask}, role: host, fields: {score: number}, required: [score]}",
    },
    "Rung": {"at": "100%+24h", "role": "manager"},
    "Resurvey": {
        "after": "2d",
        "template": "resurvey",
        "survey": "handled",
        "off_days": "{weekend: send}",
        "by": "[{task: {kind: call, name: {en: Ask}, role: host, fields: {score: number}, required: [score]}}]",
    },
    "Violation": {
        "name": "{zh: 未上门, en: Nobody came}",
        "on": "{alert: nobody_came}",
        "about": "technician",
        "sanctions": "[{en: A warning}, {en: 100 yuan}]",
        "confirm": "[manager]",
    },
    "SuspectedOn": {
        "alert": "nobody_came",
        "topic": "manner",
        "event": "visit_denied",
        "breach": "till",
    },
    "Cap": {"messages": "3", "days": "7"},
    "Archive": {"keep": "3y", "deletion": "[archivist, manager]"},
}
"""How each field may be written; a test reads every one of them as the model would."""

KNOWN: Mapping[str, str] = {
    "sender": "in a notice to staff about sending",
    "reason": "in a notice to staff about sending",
    "count": "in a notice to staff about sending",
    "salutation": "always, with its fallback",
    "customer_name": "always, with its fallback",
    "company": "always",
    "department": "after an event that has a field `department`",
    "agent": "not yet",
    "company_phone": "if the program has one",
    "survey_link": "in a message with a survey",
    "question": "in a message with a survey",
    "scale_hint": "in a message with a survey",
    "result": "in a re-survey",
    "promised_at": "in the answer to an unhappy customer",
    "expected_answer_at": "in the answer to an unhappy customer",
    "due_at": "for a ticket: the last moment to call",
    "festival": "in a festival greeting",
    "coupon": "after an event that has a field `coupon`",
    "event_on": "after an event",
    "item": "after an event whose type names an `item`",
    "ticket_id": "for a ticket",
    "task_id": "in a notice about a task",
    "task_name": "in a notice about a task",
    "staff_name": "in a ping, once somebody holds the ticket",
    "person_name": "in a ping, if the ticket is about one of several contact persons",
    "customer_phone_masked": "in a ping",
    "reply_text": "for a ticket",
    "score_text": "in a ping, if there is a score",
    "level": "in a ping, if there is a score",
    "time_left": "in a ping, before the ticket is due",
    "time_over": "in a ping, after the ticket was due",
    "closes_on": "in a message with a survey",
}
"""When the house supplies a variable today (bot/journey/wording.py, callbacks.py)."""

HEAD = """\
# Programs: the reference

One program is one industry's policy, as one YAML file. This page is made from `flows/program.py`; do not edit it, run

    python docs/generate.py

To learn by doing, begin with [your first program](your-first-program.md). The shipped programs are good examples:
`flows/programs/retail_aftersales.yaml`, `auto_repair.yaml` and `hospital.yaml`.

    huifang check my_program.yaml      every fault and warning, with file, line, field and remedy
    huifang schema                     the JSON Schema for editors, as in `docs/schema/program.schema.json`
    huifang rehearse my_scenario.yaml  live through it in simulated time

An unknown field is an error, never ignored. Editing a file makes a new version at the next start; what is already
planned stays under the version that planned it.

## How values are written

- **text, number, true or false**: as in YAML. Quote a text that looks like a number or a time.
- **language: text**: `{zh: 到店, en: Visit}`. The customer's language is taken, else the program's, else the first.
- **offset**: `30min` `2h` `7d` `2w` `1mo` `1q` `1hy` `1y`. Minutes and hours run on the clock; the rest count days and
  months and keep the local time of day. 31 August + 1mo is 30 September.
- **workdays**: `3wd`, so many workdays of the program's calendar; the day itself does not count.
- **interval**: an offset of at least a day.
- **period**: PERIODS, a calendar period.
- **weekday**: WEEKDAYS.
- **share**: `80%`, compared exactly.
- **day of the year**: `04-01`, month and day.
- **window**: `"09:00-12:00"`, local time, open at its start and closed at its end; `24:00` may end it.
- **predicate**: `class == 'vip' and activity_total >= 100`.

**Predicates** choose customers and events. Compare a field with a value (`==` `!=` `<` `<=` `>` `>=`), ask for one of
many (`city in ['Beijing', 'Shanghai']`), or name a flag alone (`leader_introduced`). Join with `and`, `or`, `not`, and
brackets. Fields are MEASURES,
the program's `attributes`, the flags FLAGS, and, in `where`, the fields of the event. A missing
fact, or a value of another kind, makes its comparison false; a flag that nobody has set is false. A date is compared as
text: `birthday >= '1990-01-01'`, or with `today`, the day on which it is asked, at the latest that of sending:
`not contract_ends < today`.

**Flags** come with a customer and hold in every program, whatever its flows say: who is `anonymous` is never contacted;
whoever is `leader_introduced` hears of milestones and is greeted, nothing else; a `vip_guest` is greeted, and gets what
staff plan for them by hand.

**Festivals**: FESTIVALS.

**Purposes** of a message:

| purpose | needs marketing consent | carries a survey | weekly cap and windows |
| --- | --- | --- | --- |
| greeting | no | no | cap yes; windows no, it goes out at `greeting_at` on the day itself, within hard hours |
| marketing | yes, and no open complaint | may | yes |
| survey | no | as a rule | yes |
| service | no | may | yes |

Who opted out gets none of the four. `reply` and `staff` are for answers and pings; flows do not use them.

**Templates** are named without their folder: `purchase` of the program `retail_aftersales` is
`messages/text/<language>/retail_aftersales/purchase.md`, and if there is none,
`messages/text/<language>/common/purchase.md` ([for marketers](marketers.md)).
"""


# ----- how a field is told


def main() -> None:
    """Write both pages and the schema."""
    (DOCS / "programs.md").write_text(programs_page(), encoding="utf-8")
    marketers = DOCS / "marketers.md"
    marketers.write_text(with_variables(marketers.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema_text(), encoding="utf-8")


def programs_page() -> str:
    """docs/programs.md."""
    head = (
        HEAD.replace("PERIODS", " ".join(f"`{period}`" for period in PERIOD_MONTHS))
        .replace("WEEKDAYS", " ".join(f"`{day}`" for day in fields.WEEKDAYS))
        .replace("MEASURES", ", ".join(f"`{name}`" for name in MEASURES))
        .replace("FLAGS", ", ".join(f"`{name}`" for name in FLAGS))
        .replace("FESTIVALS", ", ".join(f"`{name}`" for name in Festival))
    )
    return "\n".join([head, *(line for section in SECTIONS for line in _section(*section))]) + "\n"


def _section(model: type[Part], title: str, lead: str) -> Iterator[str]:
    said = _plain((model.__doc__ or "").strip().split("\n")[0]).rstrip(".")
    yield f"## {title}\n"
    yield f"{said}. {lead}\n" if model is not Program else f"{lead}\n"
    yield "| field | kind | default | example | meaning |\n| --- | --- | --- | --- | --- |"
    for name, field, hint in fields_of(model):
        cells = (
            f"`{name}`",
            KINDS.get((model.__name__, name)) or _kind(hint),
            _default(field),
            f"`{name}: {EXAMPLES[model.__name__][name]}`",
            meaning_of(model, name, field),
        )
        yield f"| {' | '.join(cell.replace(' | ', ', ').replace('|', '/') for cell in cells)} |"
    yield ""


def fields_of(model: type[Part]) -> Iterator[tuple[str, FieldInfo, Any]]:
    """(name in YAML, field, its type as written) of a model: its own fields, then those that it shares with others."""
    hints = get_type_hints(model, include_extras=True)
    own = [name for name in model.model_fields if name in model.__annotations__]
    for name in dict.fromkeys([*own, *model.model_fields]):
        field = model.model_fields[name]
        yield field.alias or name, field, hints[name]


def meaning_of(model: type[Part], name: str, field: FieldInfo) -> str:
    """The model's own description, without the numbers of rules; ours where it has none."""
    return _plain(field.description or MEANINGS[model.__name__, name])


def _plain(text: str) -> str:
    return re.sub(r"\s*\((R\d+[^)]*|rules? \d+[^)]*|A)\)", "", text)


def _kinds() -> list[tuple[Any, str]]:
    """Types that have a name of their own on this page; compared, since not all of them can be hashed."""
    return [
        (fields.OffsetField, "offset"),
        (fields.StepOffsetField, "offset or workdays"),
        (fields.IntervalField, "interval"),
        (fields.PeriodField, "period"),
        (fields.PredicateField, "predicate"),
        (fields.WindowField, "window"),
        (shifts.HoursField, "hours"),
        (fields.WindowsField, "list of windows"),
        (shifts.HoursField, "hours"),
        (fields.TimeField, "time of day"),
        (fields.MonthDayField, "day of the year"),
        (fields.ShareField, "share"),
        (fields.WeekdayField, "weekday"),
        (fields.SeveralField, "text or list of text"),
        (fields.Words, "language: text"),
    ]


def _kind(hint: Any) -> str:
    """A type in words; another part of the program as a link to its section."""
    for known, words in _kinds():
        if hint == known:
            return words
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        parts = [part for part in arguments if part is not type(None)]
        if len(parts) > 1:
            return "trigger"
        return _kind(parts[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"name: {_kind(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, Part):
        return f"[{TITLES[hint]}](#{_anchor(TITLES[hint])})"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return " ".join(f"`{value}`" for value in hint)
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}.get(hint, hint.__name__)


def _anchor(title: str) -> str:
    kept = "".join(char for char in title.lower() if char.isalnum() or char in " _-")
    return kept.replace(" ", "-")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    return "" if value is PydanticUndefined or value is None or value in ((), {}, "") else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A default as one would write it."""
    if isinstance(value, All):
        return "everybody"
    if isinstance(value, Part):
        return f"{{{', '.join(f'{name}: {_yaml(each)}' for name, each in value if each not in (None, (), {}))}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(_yaml(each) for each in value)}]"
    written = as_written(value)
    if isinstance(written, bool):
        return str(written).lower()
    return f'"{written}"' if isinstance(written, str) and ":" in written else str(written)


# ----- variables


def with_variables(page: str) -> str:
    """The page with the table of variables between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{variables_table()}\n{END}{after}"


def variables_table() -> str:
    """Every variable that templates may name."""
    rows = ["| variable | meaning | sample | if it is missing | known |", "| --- | --- | --- | --- | --- |"]
    for variable in VARIABLES.values():
        if variable.fallback:
            missing = f"{variable.fallback['en']} / {variable.fallback['zh']}"
        else:
            missing = "never" if variable.required else "use `{% if %}` or `default`"
        cells = (
            f"`{variable.name}`",
            f"{variable.meaning['en']} / {variable.meaning['zh']}",
            str(variable.sample["en"]),
            missing,
            KNOWN[variable.name],
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
