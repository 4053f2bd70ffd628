"""Puts a customer's facts into the words of a template: what every message of every step is made by."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bot.runtime import Runtime
from bot.store.tables import ContactPersonRow, CustomerRow, EventRow, SurveyRow, TicketRow
from flows.offsets import last_day
from flows.program import Program, Question, Survey
from messages.render import render
from messages.salutations import salutation
from messages.sms import measure

_SCALE_HINT = {
    "zh": {
        "1-5": "请回复1到5分，5分最满意",
        "0-10": "请回复0到10分，10分最好",
        "1-10": "请回复1到10分，10分最好",
        "0-100": "请回复0到100分，100分最好",
        "level5": "请回复：满意、较满意、基本满意、不太满意或非常不满意",
        "yesno": "请回复是或否",
        "text": "",
    },
    "en": {
        "1-5": "Reply 1 to 5 (5 = best)",
        "0-10": "Reply 0 to 10 (10 = best)",
        "1-10": "Reply 1 to 10 (10 = best)",
        "0-100": "Reply 0 to 100 (100 = best)",
        "level5": "Reply: very satisfied, satisfied, neutral, dissatisfied or very dissatisfied",
        "yesno": "Reply yes or no",
        "text": "",
    },
}
_LEVEL = {
    "zh": {5: "满意", 4: "较满意", 3: "基本满意", 2: "不太满意", 1: "非常不满意"},
    "en": {5: "very satisfied", 4: "satisfied", 3: "neutral", 2: "dissatisfied", 1: "very dissatisfied"},
}


_FESTIVAL = {
    "zh": {
        "new_year": "元旦",
        "spring_festival": "春节",
        "spring_festival_eve": "除夕",
        "lantern": "元宵节",
        "qingming": "清明节",
        "labour_day": "劳动节",
        "dragon_boat": "端午节",
        "mid_autumn": "中秋节",
        "double_ninth": "重阳节",
        "national_day": "国庆节",
    },
    "en": {
        "new_year": "New Year",
        "spring_festival": "Spring Festival",
        "spring_festival_eve": "New Year's Eve",
        "lantern": "Lantern Festival",
        "qingming": "Qingming Festival",
        "labour_day": "Labour Day",
        "dragon_boat": "Dragon Boat Festival",
        "mid_autumn": "Mid-Autumn Festival",
        "double_ninth": "Double Ninth Festival",
        "national_day": "National Day",
    },
}


def ask(program: Program, question: Question, language: str) -> str:
    """The words of a question with the hint how to answer it."""
    text = program.text(question.text, language)
    hint = scale_hint(question, language)
    if question.levels:
        offered = program.text({spoken: "、".join(words) for spoken, words in question.levels.items()}, language)
        hint = f"请回复：{offered}" if language == "zh" else f"Reply: {offered.replace('、', ', ')}"
    if not hint or any(char.isdigit() for char in text):
        return text
    if language == "zh":
        return f"{text}{hint}" if text[-1:] in "？?。！!" else f"{text}。{hint}"
    return f"{text} {hint}"


def scale_hint(question: Question, language: str) -> str:
    return _SCALE_HINT["zh" if language == "zh" else "en"][str(question.scale)]


def level_words(language: str) -> tuple[str, ...]:
    """The five levels as they are offered, best first (R50)."""
    words = _LEVEL["zh" if language == "zh" else "en"]
    return tuple(words[level] for level in (5, 4, 3, 2, 1))


def level_word(level: int | None, language: str) -> str | None:
    return _LEVEL["zh" if language == "zh" else "en"].get(level or 0)


_TAPS: Mapping[str, tuple[int, ...]] = {
    "1-5": (1, 2, 3, 4, 5),
    "1-10": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    "0-10": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    "level5": (5, 4, 3, 2, 1),
    "yesno": (1, 0),
}
"""The answers that one tap can give, in the order in which they are shown; other scales are typed."""
_YES_NO = {"zh": {1: "是", 0: "否"}, "en": {1: "Yes", 0: "No"}}


def answer_buttons(survey: Survey, asked: str, token: str, language: str) -> list[list[list[str]]]:
    """Rows of [label, data] for the question that is asked; data is `token:index of the question:score`."""
    question = survey.question(asked)
    index = survey.questions.index(question)
    spoken = "zh" if language == "zh" else "en"
    labels = {"level5": _LEVEL[spoken], "yesno": _YES_NO[spoken]}.get(str(question.scale), {})
    taps = [[labels.get(score, str(score)), f"{token}:{index}:{score}"] for score in _TAPS.get(str(question.scale), ())]
    most = 1 if str(question.scale) == "level5" else 5
    return [taps[start : start + most] for start in range(0, len(taps), most)]


def span(minutes: int, language: str) -> str:
    """A length of time in the unit that reads best: more than two hours in hours, more than three days in days."""
    words = _UNITS["zh" if language == "zh" else "en"]
    unit = next((each for each in words if minutes > each[0]), words[-1])
    return f"{minutes // unit[1]}{unit[2]}"


_UNITS = {
    "zh": ((3 * 1440, 1440, "天"), (120, 60, "小时"), (0, 1, "分钟")),
    "en": ((3 * 1440, 1440, " days"), (120, 60, " hours"), (0, 1, " min")),
}
"""(more than so many minutes, minutes of one, its word), the longest first."""


def masked(address: str) -> str:
    """A phone number for people without need of the whole (R197)."""
    return address if len(address) < 8 else f"{address[:-8]}****{address[-4:]}"


def variables_for(
    runtime: Runtime,
    program: Program,
    customer: CustomerRow,
    *,
    survey: SurveyRow | None = None,
    question: Question | None = None,
    ticket: TicketRow | None = None,
    event: EventRow | None = None,
    festival: str | None = None,
    person: ContactPersonRow | None = None,
) -> dict[str, Any]:
    """Everything a template may name about this customer now; what is missing is None. `person`: who is addressed."""
    language = customer.language
    addressed = person or customer
    known: dict[str, Any] = {
        **_declared(program, customer),
        "salutation": salutation(addressed.name, addressed.title, language),
        "customer_name": customer.name or None,
        "company": program.text(program.company, language),
        "company_phone": program.company_phone or None,
        "festival": _festival(festival, language),
    }
    if event is not None:
        known |= _about(program, customer, event)
    if question is not None:
        known["question"] = ask(program, question, language)
        known["scale_hint"] = scale_hint(question, language) or None
    if survey is not None:
        known["survey_link"] = runtime.survey_link(survey.token)
        known["closes_on"] = last_day(survey.closes_at, ZoneInfo(customer.zone))
    if ticket is not None:
        known |= {
            "ticket_id": ticket.id,
            "result": ticket.result or None,
            "due_at": ticket.call_before,
            "promised_at": ticket.wished_at,
            "reply_text": ticket.words or None,
        }
    return known


def _declared(program: Program, customer: CustomerRow) -> dict[str, Any]:
    """What the program's events and attributes may say: known by name, missing until somebody says it."""
    fields = {name: None for event in program.events.values() for name in event.fields}
    return {**fields, **{name: customer.attributes.get(name) for name in program.attributes}}


def _festival(name: str | None, language: str) -> str | None:
    """A festival in words."""
    return None if name is None else _FESTIVAL["zh" if language == "zh" else "en"].get(name, name.replace("_", " "))


def _about(program: Program, customer: CustomerRow, event: EventRow) -> dict[str, Any]:
    """What the event says: its own fields, what it was about (`item`), and its local date."""
    field = program.events[event.type].item if event.type in program.events else None
    item = event.data.get(field) if field else None
    known = {name: value for name, value in event.data.items() if value not in (None, "")}
    known["item"] = str(item) if item not in (None, "") else None
    known["event_on"] = event.occurred_at.astimezone(ZoneInfo(customer.zone)).date()
    return known


def compose(
    runtime: Runtime, program: Program, template_name: str, language: str, zone: str, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns of a message that its words decide: template_version_id, body, segments."""
    version_id, template = runtime.shelf.template(program, template_name, language)
    body = render(template.body, _plain(variables), template.language, ZoneInfo(zone))
    return {
        "template_version_id": version_id,
        "title": f"{program.text(program.company, language)}: {template.title}"[:200],
        "body": body,
        "segments": measure(body).segments,
    }


def _plain(variables: Mapping[str, Any]) -> dict[str, Any]:
    kept = (str, int, float, datetime)
    return {
        name: value if isinstance(value, kept) or value is None or hasattr(value, "isoformat") else str(value)
        for name, value in variables.items()
    }
