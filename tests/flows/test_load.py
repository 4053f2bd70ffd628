"""A program is read as its author means it, or every fault is told with file, line, field and remedy."""

from datetime import date, time
from typing import Any

import pytest

from flows.errors import Fault, ProgramError
from flows.load import digest_of, load_program, shipped_program_ids, shipped_program_text
from flows.offsets import parse_offset
from flows.program import Program
from flows.source import read_yaml
from flows.triggers import AfterEvent, Every
from flows.windows import OffDay
from messages.catalog import Catalog, shipped

FILE = "shop.yaml"
SHOP = """\
id: shop
name: {zh: 小店, en: Shop}
company: {zh: 青禾商贸, en: Qinghe Trading}
hard_hours: 09:00-20:00
greeting_at: 18:30
classes: {names: [regular, lost], default: regular}
activity: {event: order, amount: amount}
attributes: {city: text}
events:
  order:
    name: {en: Order}
    fields: {amount: number, item: text}
    item: item
surveys:
  short:
    questions:
      - {id: overall, scale: 1-5, weight: 100, text: {en: Satisfied}}
      - {id: words, scale: text, text: {en: What else}}
flows:
  - id: order
    on: {event: order, where: amount > 0}
    audience: class == 'regular'
    after: 7d
    message: {template: purchase, purpose: survey, survey: short}
  - id: greeting
    on: {festivals: [mid_autumn]}
    message: {template: hello, purpose: greeting}
callback:
  owner: service
  ladder:
    - {at: 50%, role: service}
    - {at: 100%+24h, role: manager}
  resurvey: {survey: short}
"""


def loaded(text: str = SHOP, **more: Any) -> Program:
    return load_program(text, FILE, **more)


def faults_of(text: str, **more: Any) -> tuple[Fault, ...]:
    with pytest.raises(ProgramError) as caught:
        loaded(text, **more)
    return caught.value.faults


def the_fault(before: str, after: str, **more: Any) -> Fault:
    """The only fault of the shop when one piece of its text is changed."""
    assert before in SHOP
    faults = faults_of(SHOP.replace(before, after, 1), **more)
    assert len(faults) == 1, faults
    return faults[0]


def line_of(words: str) -> int:
    return next(number for number, line in enumerate(SHOP.splitlines(), start=1) if words in line)


# --- What ships


@pytest.mark.parametrize("program_id", shipped_program_ids())
def test_every_shipped_program_loads_and_its_id_is_its_file_name(program_id: str) -> None:
    assert load_program(shipped_program_text(program_id), f"{program_id}.yaml").id == program_id


@pytest.mark.parametrize("program_id", shipped_program_ids())
def test_every_template_of_a_shipped_program_exists(program_id: str) -> None:
    catalog = Catalog.of(shipped())
    program = load_program(shipped_program_text(program_id), f"{program_id}.yaml")
    wanted = {name.replace("{festival}", "mid_autumn") for name in program.template_names()}
    assert wanted <= set(catalog.names(program_id))


@pytest.mark.parametrize("program_id", shipped_program_ids())
def test_every_text_of_a_shipped_program_is_told_in_chinese_and_english(program_id: str) -> None:
    program = load_program(shipped_program_text(program_id), f"{program_id}.yaml")
    texts = [
        program.name,
        program.company,
        *(event.name for event in program.events.values()),
        *(question.text for survey in program.surveys.values() for question in survey.questions),
        *(alert.words for alert in program.replies.alerts.values()),
    ]
    assert all(set(text) == {"zh", "en"} for text in texts)


def test_a_program_that_does_not_ship_names_those_that_do() -> None:
    with pytest.raises(ProgramError, match=f"one of {', '.join(shipped_program_ids())}, or a path"):
        shipped_program_text("bakery")


# --- Read as the author means it


def test_a_program_is_read_with_its_defaults() -> None:
    shop = loaded()
    order = shop.flow("order")
    assert isinstance(order.on, AfterEvent)
    assert order.after == parse_offset("7d")
    assert shop.off_days.holiday is OffDay.DEFER
    assert shop.cap.messages == 3
    assert shop.surveys["short"].asked[0].id == "overall"


def test_on_is_a_word_and_half_past_six_is_a_time() -> None:
    """YAML 1.1 reads `on` as true and 18:30 as 1110."""
    shop = loaded()
    assert shop.greeting_at == time(18, 30)
    assert shop.hard_hours.end == time(20)


def test_yes_and_no_stay_words_and_a_date_is_a_date() -> None:
    shop = loaded(SHOP.replace("en: Shop}", "en: no}") + "language: yes\nactive_from: 2026-01-01\n")
    assert (shop.name["en"], shop.language, shop.active_from) == ("no", "yes", date(2026, 1, 1))


def test_a_phone_that_begins_with_zero_stays_a_phone() -> None:
    assert loaded(SHOP + "company_phone: 0700000199\n").company_phone == "0700000199"


def test_a_cadence_and_a_sample_are_told_apart_by_their_fields() -> None:
    shop = loaded(SHOP.replace("on: {festivals: [mid_autumn]}", "on: {every: 1mo}"))
    assert shop.flow("greeting").on == Every(every=parse_offset("1mo"))


def test_another_word_is_another_version() -> None:
    assert digest_of(SHOP) != digest_of(SHOP + "# a remark\n")


# --- Overrides


def test_an_override_replaces_one_value_by_its_path_and_leaves_the_rest() -> None:
    shop = loaded(overrides={"callback.sla": "24h", "flows.order.after": "3d", "off_days.weekend": "send"})
    assert shop.callback.sla == parse_offset("24h")
    assert shop.flow("order").after == parse_offset("3d")
    assert shop.off_days.weekend is OffDay.SEND
    assert loaded().flow("order").after == parse_offset("7d")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("flows.nope.after", "no item 'nope'"),
        ("id.x", "'x' stands below a plain value"),
        ("callback.slaa", "unknown field"),
    ],
)
def test_an_override_that_fits_nowhere_is_a_fault(path: str, message: str) -> None:
    (fault,) = faults_of(SHOP, overrides={path: "3d"})
    assert fault.message == message
    assert fault.remedy


# --- Faults


@pytest.mark.parametrize(
    ("before", "after", "field", "message", "remedy"),
    [
        ("  owner: service", "  ownr: service\n  owner: service", "callback.ownr", "unknown field", "remove it"),
        ("    after: 7d", "    after: 7 days", "flows.0.after", "Cannot read the offset '7 days'", "7d"),
        ("    after: 7d", "    after: 7", "flows.0.after", "write it as a text", "7d"),
        ("on: {event: order,", "on: {event: ordr,", "flows.0.on.event", "unknown event 'ordr'", "one of order"),
        ("where: amount > 0", "where: amont > 0", "flows.0.on.where", "unknown field 'amont'", "one of activity_count"),
        ("class == 'regular'", "citty == 'X'", "flows.0.audience", "unknown field 'citty'", "one of activity_count"),
        ("class == 'regular'", "class == 'vip'", "flows.0.audience", "unknown class 'vip'", "one of regular, lost"),
        ("class == 'regular'", "class ==", "flows.0.audience", "cannot read 'class =='", "write comparisons"),
        ("default: regular", "default: vip", "classes.default", "unknown class 'vip'", "one of regular, lost"),
        ("[mid_autumn]", "[midautumn]", "flows.1.on.festivals", "unknown festival 'midautumn'", "one of new_year"),
        ("{festivals: [mid_autumn]}", "{fest: [x]}", "flows.1.on", "unknown trigger", "one of waves, round, event,"),
        ("{festivals: [mid_autumn]}", "{every: 2h}", "flows.1.on.every", "'2h' is no interval", "at least a day"),
        ("{festivals: [mid_autumn]}", "{every: 2w, sample: 9}", "flows.1.on.every", "no calendar period", "1mo"),
        ("{festivals: [mid_autumn]}", "{unanswered: x}", "flows.1.on.unanswered", "no flow 'x'", "one of order"),
        ("id: greeting", "id: order", "flows.1.id", "two flows are called 'order'", "rename one"),
        ("id: greeting", "id: resurvey", "flows.1.id", "the name of what asks again", "choose another"),
        ("survey: short}\n  - id", "survey: shrt}\n  - id", "flows.0.message.survey", "unknown survey", "one of short"),
        ("resurvey: {survey: short}", "resurvey: {survey: x}", "callback.resurvey.survey", "unknown survey", "short"),
        ("purpose: greeting}", "purpose: greeting, survey: short}", "flows.1.message.survey", "carries no survey", ""),
        ("    after: 7d", "    after: 7d\n    deadline: 24h", "flows.0.deadline", "24h is a time", "both in hours"),
        ("weight: 100", "weight: 90", "surveys.short.questions", "weights sum to 90", "make them sum to 100"),
        ("scale: 1-5", "scale: 1-6", "surveys.short.questions.0.scale", "Input should be '1-5'", "choose one"),
        ("    item: item", "    item: itm", "events.order.item", "unknown field 'itm'", "one of amount, item"),
        ("event: order, amount", "event: sale, amount", "activity.event", "unknown event 'sale'", "one of order"),
        ("09:00-20:00", "09:00-17:00", "windows", "leaves the hard hours", "keep windows inside"),
        ("100%+24h", "100%+later", "callback.ladder.1.at", "Cannot read the offset 'later'", "100%+24h"),
        ("id: shop", "id: shop\nzone: Mars/Base", "zone", "unknown zone 'Mars/Base'", "Asia/Shanghai"),
        ("id: shop", "id: shop\nregion: XX", "region", "unknown region 'XX'", "an ISO code"),
        ("id: shop", "id: shop\ncompany_phone: 4000000199", "company_phone", "is no text", "in quotes"),
    ],
)
def test_a_fault_names_field_message_and_remedy(before: str, after: str, field: str, message: str, remedy: str) -> None:
    fault = the_fault(before, after)
    assert (fault.file, fault.field) == (FILE, field)
    assert message in fault.message
    assert remedy in f"{fault.message} {fault.remedy}"
    assert fault.line


def test_a_fault_stands_at_its_line() -> None:
    assert the_fault("class == 'regular'", "class == 'vip'").line == line_of("audience:")
    assert the_fault("[mid_autumn]", "[easter]").line == line_of("festivals")
    assert str(the_fault("after: 7d", "after: soon")).startswith(f"shop.yaml:{line_of('after: 7d')}: flows.0.after: ")


def test_an_unknown_template_is_a_fault_where_it_is_named() -> None:
    (fault,) = faults_of(SHOP, knows=lambda program, name: name != "purchase")
    assert (fault.line, fault.field) == (line_of("template: purchase"), "flows.0.message.template")
    assert fault.message == "no template 'purchase'"


def test_all_faults_are_told_at_once() -> None:
    text = SHOP.replace("after: 7d", "after: soon").replace("50%", "half").replace("id: shop", "id: Shop")
    assert {fault.field for fault in faults_of(text)} == {"id", "flows.0.after", "callback.ladder.0.at"}
    text = SHOP.replace("[mid_autumn]", "[easter]").replace("default: regular", "default: vip")
    assert {fault.field for fault in faults_of(text)} == {"classes.default", "flows.1.on.festivals"}


def test_a_key_that_stands_twice_is_told_with_its_second_line() -> None:
    (fault,) = faults_of(SHOP + "name: {en: Again}\n")
    assert (fault.line, fault.field, fault.message) == (len(SHOP.splitlines()) + 1, "name", "stands twice")


def test_a_flow_that_does_nothing_is_a_fault() -> None:
    fault = the_fault("\n    message: {template: hello, purpose: greeting}", "")
    assert fault.message == "the flow does nothing"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list",
        "a: [1",
        "\tid: shop",
        "a: \x00",
        "a: &x [*x]",
        "a: &x 1\nb: *x",
        "a: " + "[" * 900 + "]" * 900,
        "a: !!python/object:os.system x",
        "a: !!int x",
        "{[a]: b}",
    ],
)
def test_what_is_no_program_is_refused_with_its_reason(text: str) -> None:
    fault = faults_of(text)[0]
    assert fault.file == FILE
    assert fault.message
    assert fault.remedy


def test_lines_of_fields_are_known() -> None:
    source = read_yaml("a: 1\nb:\n  - c: 2\n", FILE)
    assert source.line_of(("b", 0, "c")) == 3
    assert source.line_of(("b", 0, "missing")) == 3
