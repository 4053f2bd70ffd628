"""A program is checked as a whole: what it names exists and its parts fit; every fault has line, field and remedy."""

from typing import Any

import pytest

from flows.errors import Fault, ProgramError
from flows.load import load_program
from flows.program import Program

FILE = "dealer.yaml"
DEALER = """\
id: dealer
name: {en: Dealer}
company: {en: Pinecone Machines}
classes:
  names: [key, other]
  default: other
  rules:
    - {class: key, where: activity_total >= 500}
activity: {event: order, amount: amount}
attributes: {city: text, contract_ends: date, wheels: number}
persons: [buyer, mechanic]
assignment:
  - {where: class == 'key', roles: [rep], extension: city}
events:
  order:
    name: {en: Order}
    fields: {amount: number, item: text, next_service: date}
    sets: {contract_ends: next_service, vehicle.insured_until: at}
  closed:
    name: {en: Closed}
contacts:
  call: {name: {en: Call}}
  visit:
    name: {en: Visit}
    fields: {topic: text, business: flag}
    required: [topic]
    counts: not business
    raises: [{event: order, where: not business, data: {item: topic}}]
matters:
  vehicle: {name: {en: Vehicle}, dates: [insured_until]}
milestones:
  opening: {en: Opening}
days: {anniversary: 10-18}
surveys:
  short:
    questions:
      - {id: overall, scale: 1-5, text: {en: Satisfied}}
      - {id: words, scale: text, text: {en: What else}}
flows:
  - id: order
    on: {event: order, where: amount > 0}
    after: 7d
    message: {template: purchase, purpose: survey, survey: short}
  - id: chain
    on:
      {event: order, every: 1q, contacts: [call], until: vehicle.insured_until,
       seasons: [{from: 04-01, to: 10-31, every: 2w}]}
    message: {template: hello, to: [buyer]}
  - id: cadence
    on: {every: 1mo, contacts: [visit]}
    audience: class == 'key'
    task:
      {kind: visit, name: {en: Visit}, role: rep, workdays: 2, fields: {topic: text},
       required: [topic], counts_as: visit}
  - id: insurance
    on: {date: vehicle.insured_until}
    before: 30d
    message: {template: insurance}
    task: {kind: call, name: {en: Renew}, role: rep, copy_to: [workshop], appointment: {time: city}}
  - id: opening
    on: {milestones: [opening]}
    before: 7d
    message: {template: opening}
  - id: greeting
    on: {festivals: [mid_autumn, anniversary]}
    message: {template: "greeting/{festival}", purpose: greeting}
  - id: sample
    on: {every: 1hy, sample: 10}
    message: {template: half_year, purpose: survey, survey: short}
  - id: wave
    on: {waves: [mon, wed, fri], event: order, sample: 200, at_least: 2}
    message: {template: wave, purpose: survey, survey: short}
  - id: round
    on: {round: 1hy, start: 2027-05-10}
    message: {template: round, purpose: survey, survey: short}
  - id: calls
    on: {at_least: 2, of: [call], per: week}
    task: {kind: call, name: {en: Call}, role: rep}
quotas:
  - {id: asked, rate: follow_up, of: [order], by: class, target: 80%}
appraisals:
  - id: engineers
    name: {en: Engineers}
    about: item
    of: [order]
    questions: [overall]
    bands: [{above: 90%, name: {en: bonus}}, {at_least: 70%, name: {en: fair}}, {name: {en: a talk}, tell: [workshop]}]
replies:
  suggestion: {kind: visit, name: {en: Talk}, role: rep}
  topics: {parts: [wheel]}
  alerts: {injury: {words: {en: [hurt]}, ping: [rep]}}
wording: {begins: {en: ["Dear {{ item }}"]}}
violations:
  missed: {name: {en: Missed}, on: {alert: injury, topic: parts, event: closed}, about: item, confirm: [workshop]}
  idle: {name: {en: Idle}, on: {breach: calls}, confirm: [rep]}
callback:
  owner: rep
  owners: [{role: workshop, where: topic == 'parts' or injury}]
  ladder: [{at: 50%, role: rep}]
  visit: {kind: visit, name: {en: Mend it}, role: rep, within: 3d}
  stand_in: {role: duty, instead_of: [rep]}
  concentrated: {tell: [head]}
  resurvey:
    survey: short
    by: [{where: urgent, task: {kind: call, name: {en: Ask}, role: rep, fields: {score: number}, required: [score]}}]
"""


def loaded(text: str = DEALER, **more: Any) -> Program:
    return load_program(text, FILE, **more)


def the_fault(before: str, after: str) -> Fault:
    """The first fault when one piece of the program is changed."""
    assert DEALER.count(before) == 1, before
    with pytest.raises(ProgramError) as caught:
        loaded(DEALER.replace(before, after))
    return caught.value.faults[0]


def test_the_program_that_uses_everything_is_good() -> None:
    assert len(loaded().flows) == 10


@pytest.mark.parametrize(
    ("before", "after", "field", "message", "remedy"),
    [
        # the program
        (
            "{anniversary: 10-18}",
            "{anniversary: 10-18, lantern: 02-01}",
            "days.lantern",
            "is a festival",
            "another name",
        ),
        ("dates: [insured_until]", "dates: [insured_until, a.b]", "matters.vehicle", "'a.b' has a dot", "without"),
        (
            "class: key, where",
            "class: keys, where",
            "classes.rules.0.class",
            "unknown class 'keys'",
            "one of key, other",
        ),
        ("activity_total >= 500", "total >= 500", "classes.rules.0.where", "unknown field 'total'", "activity_total"),
        ("amount: amount}", "amount: item}", "activity.amount", "'item' is no number field", "one of amount"),
        ("extension: city", "extension: wheels", "assignment.0.extension", "unknown text attribute", "one of city"),
        ("class == 'key', roles", "class == 'A', roles", "assignment.0.where", "unknown class 'A'", "one of key"),
        ("Dear {{ item }}", "Dear {{ items }}", "wording.begins.en.0", "unknown variable 'items'", "item"),
        ("Dear {{ item }}", "Dear {{ item", "wording.begins.en.0", "", ""),
        ("workdays: 2, fields", "workdays: 2, shows: [town], fields", "flows.2.task.shows", "'town'", "one of city"),
        ("where: amount > 0", "where: item < today", "flows.0.on.where", "'item' is no date", "declare it as a date"),
        # tickets
        (
            "topic == 'parts'",
            "grade == 'parts'",
            "callback.owners.0.where",
            "unknown field 'grade'",
            "activity_count, activity_total, amount, ",
        ),
        ("topic == 'parts'", "topic == 'part'", "callback.owners.0.where", "unknown topic 'part'", "one of parts"),
        ("where: urgent", "where: injury", "callback.resurvey.by.0.where", "unknown field 'injury'", "urgent"),
        ("required: [score]", "required: []", "callback.resurvey.by.0.task", "how satisfied", "required: [score]"),
        ("role: rep, within", "role: '', within", "callback.visit.role", "nobody does it", "name a role"),
        ("{role: duty,", "{role: rep,", "callback.stand_in.role", "'rep' stands in for itself", "of its own"),
        ("{role: duty,", "{role: duty, on: [friday],", "callback.stand_in.on.0", "'weekend' or 'holiday'", ""),
        ("instead_of: [rep]", "instead_of: [reps]", "callback.stand_in.instead_of", "unknown role", "one of rep"),
        ("{tell: [head]}", "{tell: []}", "callback.concentrated.tell", "at least 1 item", ""),
        ("{tell: [head]}", "{tell: [boss], within: 8h}", "callback.concentrated.within", "is no interval", ""),
        # events, contacts
        (
            "contract_ends: next_service",
            "ends: next_service",
            "events.order.sets.ends",
            "'ends' is neither",
            "one of city",
        ),
        (
            "_ends: next_service",
            "_ends: item",
            "events.order.sets.contract_ends",
            "is a date, and item is a text",
            "date",
        ),
        (
            "_ends: next_service",
            "_ends: nxt",
            "events.order.sets.contract_ends",
            "unknown field 'nxt'",
            "one of amount",
        ),
        (
            "required: [topic]\n",
            "required: [topc]\n",
            "contacts.visit.required",
            "unknown field 'topc'",
            "one of topic",
        ),
        ("counts: not business", "counts: not busy", "contacts.visit.counts", "unknown field 'busy'", "business"),
        # triggers
        (
            "contacts: [call], until",
            "contacts: [cll], until",
            "flows.1.on.contacts",
            "unknown contact 'cll'",
            "one of call",
        ),
        (
            "until: vehicle.insured",
            "until: vehicle.isured",
            "flows.1.on.until",
            "unknown date",
            "vehicle.insured_until",
        ),
        ("every: 1q, ", "", "flows.1.on.contacts", "does not come again", "give it `every`"),
        (
            "to: 10-31, every: 2w}",
            "to: 10-31, every: 2w}, {from: 10-01, to: 12-31, every: 1w}",
            "flows.1.on.seasons.1",
            "10-01 is in another season",
            "after the other ends",
        ),
        ("{date: vehicle.insured_until}", "{date: city}", "flows.3.on.date", "unknown date 'city'", "contract_ends"),
        (
            "[opening]}\n    before",
            "[opning]}\n    before",
            "flows.4.on.milestones",
            "unknown milestone",
            "one of opening",
        ),
        (
            "[mid_autumn, anniversary]",
            "[mid_autumn, birthday]",
            "flows.5.on.festivals",
            "unknown festival",
            "anniversary",
        ),
        ("sample: 10}", "sample: 10, share: 30%}", "flows.6.on.share", "a number and a share", "leave one"),
        (
            "{every: 1hy, sample: 10}",
            "{every: 1hy, not_again_within: 30d}",
            "flows.6.on",
            "how many are drawn",
            "sample: 10",
        ),
        (
            "event: order, sample: 200",
            "event: ordr, sample: 200",
            "flows.7.on.event",
            "unknown event 'ordr'",
            "one of order",
        ),
        ("waves: [mon, wed, fri]", "waves: [mon, wen]", "flows.7.on.waves.1", "Input should be 'mon'", "choose one"),
        ("start: 2027-05-10", "start: soon", "flows.8.on.start", "valid date", ""),
        ("of: [call], per", "of: [cll], per", "flows.9.on.of", "unknown contact 'cll'", "one of call, visit"),
        ("per: week", "per: fortnight", "flows.9.on.per", "Input should be 'day'", "choose one"),
        (
            "\n    task: {kind: call, name: {en: Call}, role: rep}",
            "\n    message: {template: hello}",
            "flows.9",
            "a minimum is for staff",
            "give it a task",
        ),
        # timing
        ("    before: 30d", "    before: 30d\n    after: 1d", "flows.3.before", "before and after at once", "keep one"),
        ("    after: 7d", "    after: 7d\n    before: 1d", "flows.0.before", "not known ahead", "use `after`"),
        ("    before: 30d", "    before: 2h", "flows.3.before", "2h is no number of days", "write days"),
        ("    before: 30d", "    before: 30d\n    same_day: true", "flows.3.same_day", "only an event", "leave it out"),
        # what it does
        (
            "to: [buyer]",
            "to: [byer]",
            "flows.1.message.to",
            "unknown role of a contact person",
            "one of buyer, mechanic",
        ),
        (
            "template: insurance",
            'template: "insurance/{festival}"',
            "flows.3.message.template",
            "only a flow on",
            "one",
        ),
        ("workdays: 2,", "workdays: 2, within: 3d,", "flows.2.task.workdays", "at once", "keep one"),
        (
            "workdays: 2, fields: {topic: text}",
            "workdays: 2, fields: {topic: text}, x: 1",
            "flows.2.task.x",
            "unknown field",
            "remove",
        ),
        (
            "counts_as: visit",
            "counts_as: vist",
            "flows.2.task.counts_as",
            "unknown contact 'vist'",
            "one of call, visit",
        ),
        ("required: [topic], counts_as", "counts_as", "flows.2.task.required", "a visit without 'topic'", "add topic"),
        (
            "required: [topic], counts_as: visit",
            "required: [topc], counts_as: call",
            "flows.2.task.required",
            "unknown field 'topc'",
            "topic",
        ),
        (
            "name: {en: Call}, role: rep",
            'name: {en: Call}, role: ""',
            "flows.9.task.role",
            "nobody does it",
            "name a role",
        ),
        (
            "at_least: 2, of: [call], per: week",
            'at_least: 2, of: [call], per: day, remind_at: "21:00", due_at: "21:00"',
            "flows.9.on.remind_at",
            "told at 21:00 of what is due at 21:00",
            "remind earlier",
        ),
        (
            "at_least: 2, of: [call], per: week",
            "at_least: 2, of: [call], per: week, closes_on: sat",
            "flows.9.on.closes_on",
            "until when contacts count",
            "give it `due_at`",
        ),
        (
            "name: {en: Call}, role: rep}\nquotas",
            "name: {en: Call}, role: rep, within: 3d}\nquotas",
            "flows.9.task.within",
            "no time of a minimum",
            "leave it out",
        ),
        (
            "on: {round: 1hy,",
            "breach: true\n    on: {round: 1hy,",
            "flows.8.breach",
            "nobody is to deal with",
            "a task",
        ),
        # quotas
        (
            "rate: follow_up, of: [order], by: class, target: 80%",
            "rate: handling, target: 80%, task: {kind: call, name: {en: Call}, role: rep}",
            "quotas.0.task",
            "has its owner already",
            "leave it out",
        ),
        ("of: [order], by", "of: [ordr], by", "quotas.0.of", "unknown flow 'ordr'", "one of order"),
        (
            "rate: follow_up, of: [order]",
            "rate: handling, of: [order]",
            "quotas.0.of",
            "counts tickets",
            "leave it out",
        ),
        (
            "rate: follow_up, of",
            "rate: issue, reached: attempted, of",
            "quotas.0.reached",
            "means nothing",
            "leave it out",
        ),
        ("target: 80%", "target: 80", "quotas.0.target", "write it as a text", "30%"),
        # copies, appointments, and what a contact raises
        ("[workshop], app", "[worksop], app", "flows.3.task.copy_to", "unknown role 'worksop'", "one of rep, workshop"),
        ("{time: city}", "{time: wheels}", "flows.3.task.appointment.time", "unknown text attribute", "one of city"),
        (
            "suggestion: {kind: visit,",
            "suggestion: {kind: visit, appointment: {},",
            "replies.suggestion.appointment",
            "nothing announces it",
            "a date",
        ),
        ("raises: [{event: order", "raises: [{event: ordr", "contacts.visit.raises.0.event", "unknown event", "order"),
        (
            "where: not business, data",
            "where: not busy, data",
            "contacts.visit.raises.0.where",
            "unknown field 'busy'",
            "business",
        ),
        ("data: {item: topic}", "data: {items: topic}", "contacts.visit.raises.0.data", "'items'", "amount, item"),
        (
            "data: {item: topic}",
            "data: {amount: topic}",
            "contacts.visit.raises.0.data.amount",
            "amount is a number, and topic is a text",
            "a number",
        ),
        # violations
        ("{alert: injury, topic", "{alert: wound, topic", "violations.missed.on.alert", "alert 'wound'", "injury"),
        ("topic: parts, event", "topic: wheel, event", "violations.missed.on.topic", "topic 'wheel'", "parts"),
        ("event: closed}, about", "event: open}, about", "violations.missed.on.event", "event 'open'", "closed"),
        (
            "{breach: calls}",
            "{breach: opening}",
            "violations.idle.on.breach",
            "task 'opening'",
            "insurance, calls, call",
        ),
        ("about: item, confirm", "about: wheels, confirm", "violations.missed.about", "'wheels'", "city, item"),
        ("about: item, confirm", "confirm", "violations.missed.about", "whom it concerns", "city, item"),
        ("calls}, confirm", "calls}, about: city, confirm", "violations.idle.about", "to do the task", "leave it out"),
        ("confirm: [workshop]", "confirm: [boss]", "violations.missed.confirm", "role 'boss'", "rep, workshop"),
        ("on: {breach: calls}", "on: {}", "violations.idle.on", "nothing opens a case", "name an alert"),
        # appraisals
        ("about: item\n", "about: wheels\n", "appraisals.0.about", "'wheels'", "one of city, item"),
        ("questions: [overall]", "questions: [words]", "appraisals.0.questions", "'words'", "one of overall"),
        (
            "    of: [order]\n",
            "    of: [chain]\n",
            "appraisals.0.questions",
            "with a scale 'overall'",
            "define it first",
        ),
        ("tell: [workshop]", "tell: [boss]", "appraisals.0.bands.2.tell", "role 'boss'", "workshop"),
        ("{at_least: 70%, n", "{n", "appraisals.0.bands.1", "everybody that is left", "a limit, or put it last"),
        (
            "{at_least: 70%, n",
            "{at_least: 70%, above: 80%, n",
            "appraisals.0.bands.1.at_least",
            "two limits",
            "one out",
        ),
        ("{at_least: 70%, n", "{at_least: 95%, n", "appraisals.0.bands.1", "take everybody in it", "best band first"),
        ("above: 90%", "above: 100%", "appraisals.0.bands.0.above", "more than 100%", "at_least: 100%"),
        ("{name: {en: a talk}", "{above: 9%, name: {en: a talk}", "appraisals.0.bands.2", "has no band", "a last band"),
    ],
)
def test_a_fault_names_field_message_and_remedy(before: str, after: str, field: str, message: str, remedy: str) -> None:
    fault = the_fault(before, after)
    assert (fault.file, fault.field) == (FILE, field)
    assert message in fault.message
    assert remedy in f"{fault.message} {fault.remedy}"
    assert fault.line


@pytest.mark.parametrize(
    ("trigger", "field", "message"),
    [
        ("{waves: [mon], event: order, sampel: 3}", "flows.0.on.sampel", "unknown field"),
        ("{event: order, evry: 1mo}", "flows.0.on.evry", "unknown field"),
        ("{event: order, every: 2h}", "flows.0.on.every", "'2h' is no interval"),
        ("{event: order, every: 3wd}", "flows.0.on.every", "'3wd' counts workdays, as only `after` and `before`"),
        ("{at_least: 0, of: [call], per: week}", "flows.0.on.at_least", "greater than or equal to 1"),
        ("{at_least: 2, per: week}", "flows.0.on.of", "is missing"),
        ("{at_least: 2, of: [call], per: week, each: team}", "flows.0.on.each", "is not written"),
        ("{first_workdays: 11}", "flows.0.on.first_workdays", "less than or equal to 10"),
        ("{round: 1hy}", "flows.0.on.start", "is missing"),
        ("{every: 1hy, share: 130%}", "flows.0.on.share", "'130%' is no share"),
        ("{date: 2027-01-01, befor: 3d}", "flows.0.on.befor", "unknown field"),
        ("{milestones: opening}", "flows.0.on.milestones", "is no list"),
        ("monthly", "flows.0.on", "unknown trigger"),
    ],
)
def test_a_slip_in_a_trigger_is_told_for_the_trigger_that_was_meant(trigger: str, field: str, message: str) -> None:
    fault = the_fault("{event: order, where: amount > 0}", trigger)
    assert fault.field == field
    assert message in fault.message


def test_two_names_that_are_the_same_are_a_fault() -> None:
    assert the_fault("id: words", "id: overall").field == "surveys.short.questions.1.id"
    twice = "target: 80%}\n  - {id: asked, rate: handling, target: 90%}"
    assert the_fault("target: 80%}", twice).field == "quotas.1.id"


def test_marketing_that_is_handed_in_names_its_occasion() -> None:
    text = DEALER.replace("{template: opening}", "{template: opening, purpose: marketing}")
    with pytest.raises(ProgramError) as caught:
        loaded(text, knows=lambda program, name: True)
    (fault,) = caught.value.faults
    assert fault.field == "flows.4.message.occasion"
    assert fault.remedy == "one of activity, weather, festival, construction_step, offer, policy_change"
    assert loaded(text), "one that runs already may lack it"

    named = text.replace("purpose: marketing}", "purpose: marketing, occasion: construction_step}")
    assert loaded(named, knows=lambda program, name: True).flow("opening").occasion == "construction_step"


def test_a_greeting_has_its_festival_as_occasion() -> None:
    text = DEALER.replace("purpose: greeting}", "purpose: marketing}")
    assert loaded(text, knows=lambda program, name: True).flow("greeting").occasion == "festival"
    assert loaded().flow("order").occasion is None


def test_silence_needs_an_activity() -> None:
    text = DEALER.replace("activity: {event: order, amount: amount}\n", "")
    with pytest.raises(ProgramError) as caught:
        loaded(text.replace("{event: order, where: amount > 0}", "{silence: 6mo}"))
    (fault,) = caught.value.faults
    assert (fault.field, fault.message) == ("flows.0.on.silence", "nothing counts as activity")


def test_where_nothing_names_a_topic_none_is_concentrated() -> None:
    text = DEALER.replace("  topics: {parts: [wheel]}\n", "")
    with pytest.raises(ProgramError) as caught:
        loaded(text)
    told = {fault.field: fault.remedy for fault in caught.value.faults}
    assert told["callback.concentrated"] == "name words of topics in `replies.topics`"
