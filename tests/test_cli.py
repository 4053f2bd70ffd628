"""The command line: what it prints is a contract, and what a user can mend is told in words, never as a traceback."""

import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from bot import cli
from bot.channels.fakes import serving
from bot.channels.fakes.serving import FakeProvider, Plugged
from bot.commands.rehearse import print_timeline
from bot.shelf import admit
from bot.store import senders as store
from bot.store.db import Database
from bot.store.tables import TaskRow
from flows.errors import ProgramError
from flows.load import shipped_program_ids, shipped_program_text
from messages.catalog import Catalog, parse_template, shipped


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def huifang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run a command in this process, in an empty folder with a database of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUIFANG_DATABASE_URL", f"sqlite:///{tmp_path / 'house.sqlite'}")
    monkeypatch.setenv("HUIFANG_CLOCK_ORIGIN", "2026-11-02T12:00:00+08:00")
    monkeypatch.setenv("HUIFANG_CLOCK_RATE", "0")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str, stdin: str | bytes = b"") -> Done:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        monkeypatch.setattr(sys, "argv", ["huifang", *words])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Done(code, told.out, told.err)

    return run


Run = Callable[..., Done]


def test_help_names_every_command(huifang: Run) -> None:
    done = huifang("--help")
    assert done.code == 0
    for command in ("serve", "import", "event", "forecast", "rehearse", "parse", "check", "bench", "town", "doctor"):
        assert command in done.out


def test_the_module_and_the_script_are_the_same_program(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "parse", "5分"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["score"] == 5


@pytest.mark.parametrize("words", [["nonsense"], ["rehearse"], ["forecast", "--days", "0"], ["check"]])
def test_a_wrong_command_line_exits_with_two(huifang: Run, words: list[str]) -> None:
    assert huifang(*words).code == 2


# ----- contacts

HOUSE = """
contacts: {visit: {name: {zh: 拜访}, fields: {signed_by: text, minutes: number}, required: [signed_by]}}
"""


@pytest.fixture
def visited(huifang: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A house that knows visits, and one customer."""
    program = tmp_path / "mine.yaml"
    program.write_text(shipped_program_text("retail_aftersales") + HOUSE, encoding="utf-8")
    monkeypatch.setenv("HUIFANG_PROGRAMS", str(program))
    (tmp_path / "people.csv").write_text(
        "id,name,phone,program\nc1,李敏,13900000001,retail_aftersales\n", encoding="utf-8"
    )
    assert huifang("import", "customers", "people.csv", "--source", "cli").code == 0
    return huifang


def test_a_contact_is_logged_once(visited: Run) -> None:
    words = ["contact", "log", "visit", "c1", "--id", "v1", "--field", "signed_by=007", "--field", "minutes=30"]
    first, again = visited(*words, "--json"), visited(*words)
    assert first.lines == [{"id": "v1", "verdict": "new", "contact": 1, "missing": []}]
    assert (again.code, again.out) == (0, "v1: known\n")


def test_a_contact_that_does_not_count_says_why(visited: Run) -> None:
    done = visited("contact", "log", "visit", "13900000001", "--id", "v2", "--at", "2026-11-01T10:00")
    assert done.out == "v2: new, does not count: field missing: signed_by\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["log", "dance", "c1", "--id", "v3"], "kind: unknown kind of contact 'dance' -> one of visit"),
        (["log", "visit", "c9", "--id", "v3"], "customer: 'c9' is not known"),
        (["log", "visit", "c1", "--id", "v3", "--at", "soon"], "--at: 'soon' is no instant"),
        (["log", "visit", "c1", "--id", "v3", "--next", "soon"], "--next: 'soon' is no day"),
        (["log", "visit", "c1", "--id", "v3", "--field", "signed_by"], "--field: 'signed_by' has no ="),
        (["log", "visit", "c1", "--id", "v3", "--by", "nobody"], "staff: nobody is called 'nobody'"),
        (["plan", "c9", "retail_aftersales.purchase", "--reason", "x", "--on", "2026-12-01"], "'c9' is not known"),
        (["plan", "c1", "purchase", "--reason", "x", "--on", "2026-12-01"], "program: '' does not run here"),
        (["plan", "c1", "retail_aftersales.nothing", "--reason", "x", "--on", "2026-12-01"], "flow: 'nothing'"),
        (["plan", "c1", "retail_aftersales.purchase", "--reason", "x"], "say a day or a time"),
    ],
)
def test_a_contact_that_cannot_be_is_told_in_words(visited: Run, words: list[str], told: str) -> None:
    done = visited("contact", *words)
    assert done.code == 2
    assert told in done.err


def test_letters_are_listed_with_their_addresses(huifang: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Year-end cards: the tasks of one kind are the list of addresses (R45)."""
    monkeypatch.setenv("HUIFANG_PROGRAMS", "key_accounts")
    people = "id,name,phone,class,address\na,华东钢构,13900000001,A1,松岭路9号\nb,江南机电,13900000002,B2,\n"
    (tmp_path / "people.csv").write_text(people, encoding="utf-8")
    assert huifang("import", "customers", "people.csv", "--source", "cli").code == 0
    database = Database(f"sqlite:///{tmp_path / 'house.sqlite'}")
    with database.write() as session:
        for customer, kind in ((1, "letter"), (2, "letter"), (1, "visit")):
            flow, role = ("year_end_card", "key_account_specialist") if kind == "letter" else ("visits_a1", "")
            at = datetime(2026, 12, 15, 10, tzinfo=UTC)
            task = TaskRow(customer_id=customer, kind=kind, flow=flow, role=role, opened_at=at, due_at=at)
            task.dedupe_key, task.program_id, task.program_version_id = f"{kind}{customer}", "key_accounts", 1
            session.add(task)
    database.close()
    done = huifang("task", "list", "--kind", "letter")
    first, second = done.out.splitlines()
    assert "华东钢构, key_account_specialist, address 松岭路9号, due 2026-12-1" in first
    assert "江南机电, key_account_specialist, address not told, due" in second
    assert [line["shown"] for line in huifang("task", "list", "--json").lines] == [
        {"address": "松岭路9号"},
        {"address": None},
        {},
    ]


def test_a_violation_is_listed_confirmed_and_dismissed(
    huifang: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUIFANG_PROGRAMS", "business_services")
    (tmp_path / "people.csv").write_text("id,name,phone\na,周敏,13900000001\nb,吴涛,13900000002\n", encoding="utf-8")
    assert huifang("import", "customers", "people.csv", "--source", "cli").code == 0
    assert huifang("staff", "add", "Chen", "--phone", "13900000009", "--role", "general_manager").code == 0
    for customer in ("a", "b"):
        huifang("event", "visit_denied", customer, "--id", f"call-{customer}", "--data", "salesperson=李强")
    assert huifang("violation", "list").out.splitlines() == [
        "2 涉嫌虚假拜访: 李强, visit_denied was told, suspected, 1: 扣发当月绩效工资",
        "1 涉嫌虚假拜访: 李强, visit_denied was told, suspected, 1: 扣发当月绩效工资",
    ]
    assert huifang("violation", "confirm", "1", "--by", "Chen").out == "violation 1: confirmed\n"
    again = huifang("violation", "confirm", "1", "--by", "Chen")
    assert (again.code, again.err.strip()) == (2, "violation 1 is confirmed already")
    assert huifang("violation", "dismiss", "2", "--by", "Chen", "--reason", "was there").code == 0
    assert huifang("violation", "list", "--state", "suspected").out == "there is none\n"
    newest, first = huifang("violation", "list", "--json").lines
    assert (newest["reason"], newest["evidence"]) == ("was there", {"customer": 2, "event": 2})
    assert (first["number"], first["sanction"], first["confirm"]) == (1, "扣发当月绩效工资", ["general_manager"])


def test_an_extra_follow_up_is_planned_and_a_next_date_agreed(visited: Run) -> None:
    flow = "retail_aftersales.care_ordinary"
    extra = visited("contact", "plan", "c1", flow, "--reason", "asked for it", "--at", "2026-11-20T15:00+08:00")
    assert extra.code == 0
    assert extra.out.startswith("planned: 2026-11-20")
    agreed = visited("contact", "plan", "c1", flow, "--reason", "is abroad", "--on", "2026-12-15", "--agreed")
    assert (agreed.code, agreed.out) == (0, "agreed: 2026-12-15\n")


# ----- check


@pytest.mark.parametrize("program", shipped_program_ids())
def test_every_shipped_program_is_good(huifang: Run, program: str) -> None:
    done = huifang("check", program)
    assert done.code == 0
    assert f"{program}: {program}, " in done.out


def test_a_fault_is_named_with_file_line_field_and_remedy(huifang: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = shipped_program_text("retail_aftersales")
    file.write_text(text.replace("after: 7d", "after: soon", 1), encoding="utf-8")
    done = huifang("check", "retail_aftersales", str(file))
    line = next(number for number, each in enumerate(text.splitlines(), start=1) if "after: 7d" in each)
    assert done.code == 1
    assert f"mine.yaml:{line}: flows.0.after" in done.err
    assert "7d" in done.err
    assert "good" in done.out, "the good one beside it is told, too"


def test_a_warning_is_told_and_stops_nothing(huifang: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = shipped_program_text("retail_aftersales")
    file.write_text(text.replace("at: 80%, role: supervisor", "at: 40%, role: supervisor"), encoding="utf-8")
    done = huifang("check", str(file))
    line = next(number for number, each in enumerate(text.splitlines(), start=1) if "at: 80%" in each)
    assert done.code == 0
    assert f"warning {file}:{line}: callback.ladder.2.at: 40% comes before 50%" in done.err
    assert "good, warnings: 1" in done.out


def test_the_schema_for_editors_is_printed(huifang: Run) -> None:
    done = huifang("schema")
    assert done.code == 0
    assert "flows" in json.loads(done.out)["properties"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("nothing", "retail_aftersales"),
        ("retail_aftersale", "use retail_aftersales, or the path of a YAML file"),
        ("nothing.yaml", "look at the path"),
        (".", "retail_aftersales"),
    ],
)
def test_a_program_that_is_not_there_is_told_with_the_remedy(huifang: Run, name: str, remedy: str) -> None:
    done = huifang("check", name)
    assert done.code == 2
    assert remedy in done.err


# ----- parse


FIELDS = {
    "intent",
    "kind",
    "score",
    "points",
    "level",
    "polarity",
    "category",
    "categories",
    "confidence",
    "needs_person",
    "urgent",
    "because",
}


def test_one_reply_is_read_and_printed_as_json(huifang: Run) -> None:
    (line,) = huifang("parse", "2 等太久了").lines
    assert set(line) >= FIELDS
    assert (line["intent"], line["score"], line["points"], line["level"]) == ("score", 2, 40, 2)
    assert line["category"] == "complaint"


def test_the_scale_is_said_beside_it(huifang: Run) -> None:
    (line,) = huifang("parse", "10分里给8分", "--scale", "0-10").lines
    assert (line["score"], line["points"]) == (8, 80)


def test_lines_of_json_are_read_one_by_one(huifang: Run) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "满意", "scale": "level5", "levels": ["非常满意", "满意", "一般", "不满意", "非常不满意"]},
        {"text": "5 5 4", "scale": "1-5", "n_questions": 3},
        {"text": "退订", "scale": "1-5", "lang": "zh", "country": "CN", "extra": "ignored"},
        {"text": "", "scale": "text"},
        {"text": "\U0001f600", "scale": "1-5", "opted_out": True},
    ]
    done = huifang("parse", "--jsonl", stdin="\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert done.code == 0
    assert [line["intent"] for line in done.lines][:3] == ["score", "score", "opt_out"]
    assert done.lines[0]["level"] == 4
    assert done.lines[1]["answers"] == [5, 5, 4]
    assert done.lines[1]["score"] is None


def test_lines_of_text_are_read_one_by_one(huifang: Run) -> None:
    done = huifang("parse", stdin="5\n\n满意\n")
    assert [line["intent"] for line in done.lines] == ["score", "score"]


def test_bytes_that_are_no_text_harm_nothing(huifang: Run) -> None:
    done = huifang("parse", stdin=b"\xff\xfe5\n4\n")
    assert done.code == 0
    assert done.lines[1]["score"] == 4


def test_half_a_character_is_printed_as_json_all_the_same(huifang: Run) -> None:
    done = huifang("parse", "--jsonl", stdin='{"text": "5 \\ud83d", "scale": "1-5"}\n{"text": "4", "scale": "1-5"}\n')
    assert done.code == 0
    assert done.lines[1]["score"] == 4


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 2"),
        ("[1]", "line 2"),
        ('"5"', "line 2"),
        ('{"scale": "1-5"}', "line 2, text"),
        ('{"text": "5", "scale": "1-7"}', "line 2, scale"),
        ('{"text": 5}', "line 2, text"),
        ('{"text": "5", "n_questions": "many"}', "line 2, n_questions"),
        ('{"text": "5", "n_questions": -1}', "line 2, n_questions"),
    ],
)
def test_a_bad_line_is_named(huifang: Run, line: str, named: str) -> None:
    done = huifang("parse", "--jsonl", stdin=f'{{"text": "5"}}\n{line}\n')
    assert done.code == 2
    assert named in done.err
    assert len(done.lines) == 1, "the good line before it is printed"


def test_an_unknown_scale_names_the_known_ones(huifang: Run) -> None:
    done = huifang("parse", "5", "--scale", "1-7")
    assert done.code == 2
    assert "1-10" in done.err


# ----- rehearse


SCENARIO = """
programs: [retail_aftersales]
start: 2026-11-02T09:00
until: 2026-11-12T00:00
customers: [{id: c1, name: 李敏, title: 女士, class: ordinary, attributes: {city: 上海}}]
script:
  - {at: 2026-11-02T12:00, event: purchase, customer: c1, data: {amount: 199, item: 电饭煲}}
  - {at: 2026-11-09T10:00, reply: "2 等太久了", customer: c1}
  - {at: 2026-11-09T11:00, staff: service, does: claim, customer: c1}
  - {at: 2026-11-09T12:00, staff: service, does: resolve, customer: c1, result: 换新}
  - {at: 2026-11-10T10:00, reply: "5", customer: c1}
expect:
  - {what: message, customer: c1, flow: purchase, at: 2026-11-09T09:00}
  - {what: closed, customer: c1}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., str]:
    """A scenario file, with some of its text replaced."""

    def write(*replaced: tuple[str, str]) -> str:
        text = SCENARIO
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new, 1)
        file = tmp_path / "scenario.yaml"
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


def test_a_rehearsal_prints_its_timeline_as_lines_of_json(huifang: Run, scenario: Callable[..., str]) -> None:
    done = huifang("rehearse", scenario(), "--json")
    assert done.code == 0, done.err
    assert all({"at", "what", "because"} <= set(line) for line in done.lines)
    assert [line["at"] for line in done.lines] == sorted(line["at"] for line in done.lines)
    assert all(line["at"].endswith("+08:00") for line in done.lines)
    kinds = [line["what"] for line in done.lines]
    for what in ("planned", "message", "reply", "ticket", "ping", "resurvey", "closed"):
        assert what in kinds
    sent = next(line for line in done.lines if line["what"] == "message")
    assert (sent["customer"], sent["flow"], sent["channel"]) == ("c1", "purchase", "sms")
    assert "电饭煲" in sent["text"]
    planned = next(line for line in done.lines if line["what"] == "planned")
    assert planned["due"] == "2026-11-09T09:00:00+08:00"


def test_a_rehearsal_is_a_readable_table_otherwise(huifang: Run, scenario: Callable[..., str]) -> None:
    done = huifang("rehearse", scenario())
    assert done.code == 0
    assert "2026-11-09 Mon 09:00" in done.out


def test_a_small_terminal_shows_texts_in_full_and_who_owns_a_ticket(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.rehearse.out", lambda: Console(width=80))
    text = "".join(f"{number:03}号客户您好" for number in range(30))
    asked = {"at": "2026-11-09T09:00+08:00", "what": "message", "text": text, "because": "7d after"}
    opened = {"what": "ticket", "topic": "price", "owner": "service", "because": "2 on 1-5"}
    print_timeline([asked, {**opened, "at": "2026-11-09T10:00+08:00"}])
    shown = capsys.readouterr().out
    assert all(cell_len(line) <= 80 for line in shown.splitlines())
    assert "…" not in shown
    assert "029号客" in "".join(shown.split())
    assert "topic price, owner" in shown


def test_a_file_of_the_other_kind_is_told_once(huifang: Run, scenario: Callable[..., str], tmp_path: Path) -> None:
    done = huifang("check", scenario())
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "looks like a scenario" in done.err
    assert "huifang rehearse" in done.err
    program = tmp_path / "mine.yaml"
    program.write_text(shipped_program_text("retail_aftersales"), encoding="utf-8")
    done = huifang("rehearse", str(program))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "looks like a program" in done.err
    assert "huifang check" in done.err


def test_the_same_rehearsal_twice_tells_the_same(huifang: Run, scenario: Callable[..., str]) -> None:
    file = scenario()
    assert huifang("rehearse", file, "--json").out == huifang("rehearse", file, "--json").out


def test_a_rehearsal_touches_no_database(huifang: Run, scenario: Callable[..., str], tmp_path: Path) -> None:
    huifang("rehearse", scenario(), "--json")
    assert {path.name for path in tmp_path.iterdir()} == {"scenario.yaml"}


def test_an_expectation_that_does_not_come_true_exits_with_one(huifang: Run, scenario: Callable[..., str]) -> None:
    done = huifang("rehearse", scenario(("at: 2026-11-09T09:00}", "at: 2026-11-09T09:30}")), "--json")
    assert done.code == 1
    assert "not met" in done.err
    assert "expect[1]" in done.err
    assert done.lines, "the timeline is printed all the same"


@pytest.mark.parametrize(
    ("replaced", "told"),
    [
        (("event: purchase", "event: purchas"), ["script[0].event", "purchas", "purchase"]),
        (("customer: c1, data", "customer: c9, data"), ["script[0].customer", "c9", "c1"]),
        (("staff: service, does: claim", "staff: nobody, does: claim"), ["script[2].staff", "nobody", "supervisor"]),
        (("city: 上海", "town: 上海"), ["attributes.town", "city"]),
        (("class: ordinary", "class: gold"), ["class", "gold", "high_value"]),
        (("item: 电饭煲", "colour: red"), ["data.colour", "item"]),
        (("[retail_aftersales]", "[bakery]"), ["bakery", "retail_aftersales"]),
        (("until:", "untill:"), ["untill"]),
        (('reply: "5", customer', 'reply: "5", event: purchase, customer'), ["script[4]", "event and reply"]),
        (('reply: "5", ', ""), ["script[4]", "nothing"]),
        (("does: claim", "does: sing"), ["does", "claim"]),
        (("start: 2026-11-02T09:00", "start: soon"), ["start"]),
        (("customers: [", "customers: {"), ["scenario.yaml"]),
        (('reply: "5"', "attributes: {town: x}"), ["attributes.town", "city"]),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_is_unknown_is_named_beside_what_is_known(
    huifang: Run, scenario: Callable[..., str], replaced: tuple[str, str], told: list[str]
) -> None:
    done = huifang("rehearse", scenario(replaced), "--json")
    assert done.code == 2
    for word in told:
        assert word in done.err


def test_the_line_of_an_unordered_script_is_named_as_it_stands_in_the_file(
    huifang: Run, scenario: Callable[..., str]
) -> None:
    later_first = ("script:\n", "script:\n  - {at: 2026-11-11T10:00, event: purchas, customer: c1}\n")
    assert "script[0].event" in huifang("rehearse", scenario(later_first)).err


def test_a_scenario_that_is_not_there_is_told(huifang: Run) -> None:
    done = huifang("rehearse", "nothing.yaml")
    assert done.code == 2
    assert "nothing.yaml does not exist" in done.err


def test_a_template_that_cannot_be_sent_is_a_fault(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would hold a message back on its day is told while one writes."""
    slip = parse_template(
        "retail_aftersales/purchase",
        "en",
        "---\ntitle: After a purchase\npurpose: survey\n---\n{{ salutaton }}, {{ company }}: {{ question }}",
    )
    others = [each for each in shipped() if (each.key, each.language) != (slip.key, slip.language)]
    monkeypatch.setattr("bot.commands.check.shipped", lambda: [*others, slip])
    done = huifang("check", "retail_aftersales")
    assert done.code == 1
    assert "messages/text/en/retail_aftersales/purchase.md:5: " in done.err
    assert "salutation" in done.err


def test_a_template_without_the_ending_that_its_program_requires_is_a_fault(
    huifang: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenario 6.5: it cannot be saved so, and nothing starts with it."""
    written = next(each for each in shipped() if (each.key, each.language) == ("real_estate/visit_thanks", "zh"))
    body = written.body.partition("{% if company_phone")[0]
    unsigned = [replace(each, body=body) if each is written else each for each in shipped()]
    monkeypatch.setattr("bot.commands.check.shipped", lambda: unsigned)
    done = huifang("check", "real_estate")
    assert done.code == 1
    assert "messages/text/zh/real_estate/visit_thanks.md:5: it does not end as the program requires" in done.err
    assert "预约专线" in done.err

    monkeypatch.setattr("bot.shelf._shipped_catalog", lambda: Catalog.of(unsigned))
    with pytest.raises(ProgramError, match="visit_thanks"):
        admit(shipped_program_text("real_estate"), "real_estate.yaml")


def test_a_template_that_one_language_lacks_is_doubtful(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = [each for each in shipped() if (each.key, each.language) != ("retail_aftersales/purchase", "en")]
    monkeypatch.setattr("bot.commands.check.shipped", lambda: fewer)
    done = huifang("check", "retail_aftersales")
    assert done.code == 0
    assert "warning messages/text/en/retail_aftersales/purchase.md: is missing" in done.err


# ----- event, import, forecast


def told(huifang: Run, *more: str) -> Done:
    return huifang("event", "purchase", "c1", "--id", "p1", *more)


@pytest.fixture
def known(huifang: Run, tmp_path: Path) -> Run:
    """A house that knows one customer, c1 of the source cli."""
    file = tmp_path / "customers.csv"
    file.write_text("id,name,phone,program\nc1,李敏,+8613900000001,retail_aftersales\n", encoding="utf-8")
    done = huifang("import", "customers", str(file), "--source", "cli")
    assert done.code == 0, done.err + done.out
    return huifang


def test_an_event_is_told_once(known: Run) -> None:
    first, second = told(known, "--data", "amount=99.5", "--json"), told(known, "--json")
    (line,) = first.lines
    assert (line["id"], line["verdict"]) == ("p1", "new")
    assert second.lines[0]["verdict"] == "known"
    assert told(known).out == "p1: known\n"


def test_a_number_in_a_text_field_is_a_text(known: Run) -> None:
    done = told(known, "--data", "order=4711", "--data", "item=5", "--data", "amount=12")
    assert done.out == "p1: new\n", done.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["event", "purchas", "c1", "--id", "p1"], ["type", "purchas", "purchase"]),
        (["event", "purchase", "nobody", "--id", "p1"], ["customer", "nobody"]),
        (["event", "purchase", "c1", "--id", "p1", "--data", "amount"], ["--data", "amount"]),
        (["event", "purchase", "c1", "--id", "p1", "--data", "amount=much"], ["data.amount", "much"]),
        (["event", "purchase", "c1", "--id", "p1", "--data", "colour=red"], ["data.colour", "item"]),
        (["event", "purchase", "c1", "--id", "p1", "--at", "noon"], ["--at", "noon"]),
        (["event", "purchase", "c1", "--id", ""], ["id", "missing"]),
    ],
)
def test_a_wrong_event_is_told_in_words(known: Run, words: list[str], named: list[str]) -> None:
    done = known(*words)
    assert done.code == 2
    for word in named:
        assert word in done.err


def test_a_forecast_counts_what_is_planned_and_writes_nothing(known: Run, tmp_path: Path) -> None:
    # given a purchase whose survey is planned
    told(known, "--data", "amount=99.5")

    # when the next two weeks are looked at, twice
    first, second = known("forecast", "--days", "14", "--json"), known("forecast", "--days", "14", "--json")

    # then the survey is there with its price, and nothing was written
    assert first.code == 0
    assert first.out == second.out
    line = next(each for each in first.lines if each.get("flow") == "purchase")
    assert line["day"] == "2026-11-09"
    from_then_on = known("forecast", "--from", "2026-11-09", "--days", "1", "--json").lines
    assert [each for each in from_then_on if "flow" in each and "day" in each] == [line]
    later = known("forecast", "--from", "2026-11-10", "--days", "30", "--json").lines
    assert not [each for each in later if each.get("flow") == "purchase" and "day" in each]
    assert line["due"].startswith("2026-11-09T09:00:00")
    assert (line["program"], line["template"], line["channel"], line["count"]) == (
        "retail_aftersales",
        "purchase",
        "sms",
        1,
    )
    assert line["segments"] >= 1
    assert float(line["cost"]) == pytest.approx(0.05 * line["segments"])
    assert line["provisional"] is False
    database = Database(f"sqlite:///{tmp_path / 'house.sqlite'}")
    with database.read() as session:
        from bot.store import follow_ups

        assert follow_ups.count(session) == 1
    database.close()


def test_a_forecast_of_an_empty_house_has_nothing_but_paperwork(huifang: Run) -> None:
    done = huifang("forecast", "--json")
    assert done.code == 0
    assert {line["channel"] for line in done.lines} <= {"task"}


def test_who_is_left_out_is_counted_by_rule(known: Run) -> None:
    done = known("forecast", "--days", "1", "--json")
    left_out = [line for line in done.lines if "left_out" in line]
    assert {
        "left_out": 1,
        "program": "retail_aftersales",
        "flow": "lost",
        "because": "no marketing consent",
    } in left_out


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://x"),
        ("DATABASE_URL", "nonsense"),
        ("PORT", "many"),
        ("CLOCK_ORIGIN", "noon"),
        ("CLOCK_ORIGIN", "2026-11-02T12:00:00"),
        ("PROGRAMS", "bakery"),
        ("CHANNELS", "pigeon"),
        ("PRICE_PER_SEGMENT", "-1"),
        ("COUNTRIES", "US,USA"),
        ("PUBLIC_URL", "foo"),
        ("PUBLIC_URL", "https://care.example:many"),
        ("TWILIO_MESSAGING_SERVICE", "foo"),
        ("TWILIO_NUMBERS", "+14155550100,0151/4155"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    huifang: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"HUIFANG_{name}", value)
    done = huifang("forecast")
    assert done.code == 2
    assert (f"HUIFANG_{name}" in done.err) or name == "PROGRAMS"
    assert "->" in done.err


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TELEGRAM_MODE", "pigeon", "is neither polling nor webhook"),
        ("CHANNELS", "pigeon", "is none of simulator, live, null"),
        ("PORT", "many", "is no whole number"),
        ("PORT", "70000", "is more than 65535"),
        ("MOST_PER_DAY", "-1", "is less than 0"),
        ("CLOCK_RATE", "fast", "is no number"),
        ("TWILIO_SEGMENTS_PER_SECOND", "0", "is not more than 0"),
    ],
)
def test_a_wrong_setting_is_told_in_plain_words(
    huifang: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"HUIFANG_{name}", value)
    assert f"HUIFANG_{name} {told}" in huifang("forecast").err


def test_a_clock_cannot_begin_in_the_future(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_CLOCK_ORIGIN", "2999-01-01T09:00:00+08:00")
    monkeypatch.setenv("HUIFANG_CLOCK_RATE", "60")
    assert "HUIFANG_CLOCK_ORIGIN is in the future -> " in huifang("forecast").err


@pytest.mark.parametrize(
    ("command", "named"),
    [(("serve",), "HUIFANG_PORT"), (("fake", "twilio"), "--port"), (("fake", "telegram"), "--port")],
)
def test_a_taken_port_is_told_before_anything_else(
    huifang: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], named: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("HUIFANG_PORT", port)
        done = huifang(*command, *(("--port", port) if command[0] == "fake" else ()))
    assert done.code == 2
    assert f"{named} {port} is taken -> use another" in done.err
    assert done.out == ""


def test_an_unknown_bench_names_the_known_ones(huifang: Run) -> None:
    done = huifang("bench", "nothing")
    assert done.code == 2
    assert "rehearse" in done.err


# ----- doctor


def test_a_doctor_tells_what_is_well_and_what_to_do(huifang: Run) -> None:
    done = huifang("doctor")
    assert done.code == 0, done.err
    assert "good    program: retail_aftersales is valid" in done.out
    assert "-> `huifang serve` makes it" in done.out


def test_a_fault_exits_with_one_and_is_a_line_of_json(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_CHANNELS", "live")
    done = huifang("doctor", "--json")
    assert done.code == 1
    assert all(set(line) == {"verdict", "about", "told", "remedy"} for line in done.lines)
    told = [line["told"] for line in done.lines if line["verdict"] == "fault"]
    assert any("HUIFANG_CHANNELS is live, but no provider is set up" in each for each in told)


def test_a_setting_that_cannot_be_read_is_a_finding(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_SMTP_PORT", "many")
    done = huifang("doctor")
    assert done.code == 1
    assert "fault   settings: HUIFANG_SMTP_PORT" in done.out


# ----- stand-ins, links, senders


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProvider]:
    """The stand-ins that a command would have served until it is stopped."""
    found: list[FakeProvider] = []

    async def keep(app: FakeProvider, host: str, port: int, begun: Callable[[], None]) -> None:
        assert host == "127.0.0.1"
        begun()
        found.append(app)

    monkeypatch.setattr(serving, "serve_fake", keep)
    return found


def obey(done: Done, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the lines that a stand-in asks for into the environment; it runs at `url` here."""
    for line in done.out.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name.startswith("HUIFANG_"):
            monkeypatch.setenv(name, url if name.endswith("_URL") else value)


@pytest.mark.parametrize(
    ("provider", "well"),
    [("twilio", "sms: the credentials work"), ("telegram", "telegram: the bot answers as @")],
)
def test_a_stand_in_tells_how_to_be_used(
    huifang: Run, made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch, provider: str, well: str
) -> None:
    # given what the command says, done to the letter
    done = huifang("fake", provider, "--port", "18099")
    assert done.code == 0, done.err
    assert f"HUIFANG_{provider.upper()}_URL=http://127.0.0.1:18099" in done.out
    assert "curl http://127.0.0.1:18099/fake/" in done.out
    with Plugged(made[0]) as running:
        obey(done, running.url, monkeypatch)

        # when the doctor looks, then the stand-in takes the credentials
        assert f"good    {well}" in huifang("doctor").out


def test_a_stand_in_does_not_repeat_the_secrets_of_the_settings(
    huifang: Run, made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUIFANG_TWILIO_ACCOUNT_SID", "AC" + "2" * 32)
    monkeypatch.setenv("HUIFANG_TWILIO_AUTH_TOKEN", "the-real-token")
    monkeypatch.setenv("HUIFANG_TELEGRAM_TOKEN", "12345:the-real-token")
    assert "the-real-token" not in huifang("fake", "twilio").out + huifang("fake", "telegram").out


def test_a_stand_in_fails_as_often_as_it_is_told(huifang: Run, made: list[FakeProvider], tmp_path: Path) -> None:
    huifang("fake", "twilio", "--faults", "0.3", "--seed", "7", "--ledger", str(tmp_path / "phones.jsonl"))
    failed = sum(made[0].faults.choose("") is not None for _ in range(1000))
    assert 250 < failed < 350
    assert (tmp_path / "phones.jsonl").exists()
    assert huifang("fake", "twilio", "--faults", "1.5").code == 2


@pytest.fixture
def bot(known: Run, made: list[FakeProvider], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """The house that knows c1, with a bot at a stand-in for Telegram."""
    done = known("fake", "telegram")
    with Plugged(made[0]) as running:
        obey(done, running.url, monkeypatch)
        yield known


@pytest.mark.parametrize("customer", ["c1", "+8613900000001", "13900000001"])
def test_a_customer_gets_a_link_of_their_own(bot: Run, customer: str) -> None:
    first, second = bot("link", "customer", customer), bot("link", "customer", customer)
    assert first.code == 0, first.err
    assert re.fullmatch(r"https://t\.me/\w+\?start=[\w-]{16}\n", first.out)
    assert first.out != second.out


def test_a_link_for_nobody_is_refused(bot: Run) -> None:
    done = bot("link", "customer", "c9")
    assert done.code == 2
    assert "c9" in done.err


def test_a_link_needs_a_bot(known: Run) -> None:
    done = known("link", "customer", "c1")
    assert done.code == 2
    assert "HUIFANG_TELEGRAM_TOKEN" in done.err


def test_a_member_of_staff_gets_a_link(bot: Run) -> None:
    for phone in ("+8613900000101", "+8613900000102"):
        bot("staff", "add", "王芳", "--phone", phone, "--role", "service")
    assert "https://t.me/" in bot("staff", "link", "1").out
    done = bot("staff", "link", "王芳")
    assert done.code == 2
    assert "2 people are called" in done.err
    assert "nobody is called" in bot("staff", "link", "李娜").err


def test_the_first_day_of_a_member_of_staff_is_told_and_stays(huifang: Run) -> None:
    huifang("staff", "add", "王芳", "--phone", "+8613900000101", "--role", "service", "--since", "2026-11-24")
    huifang("staff", "add", "王芳", "--phone", "+8613900000101", "--role", "manager")
    assert huifang("staff", "list").out.startswith("1 王芳: manager (since 2026-11-24)")


def test_who_stands_in_on_holidays_is_named_day_by_day(huifang: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIFANG_PROGRAMS", "travel_agency")
    for name, phone, role in (("王芳", "+8613900000101", "holiday_duty"), ("李娜", "+8613900000102", "department")):
        huifang("staff", "add", name, "--phone", phone, "--role", role)
    named = huifang("staff", "duty", "王芳", "2027-10-01..2027-10-03").out
    assert named == "1 王芳: 2027-10-01, 2027-10-02, 2027-10-03\n"
    assert huifang("staff", "duty", "王芳", "2027-10-02", "--off").out == "1 王芳: 2027-10-01, 2027-10-03\n"
    for arguments, told in (
        (("李娜", "2027-10-01"), "give them one of the roles holiday_duty"),
        (("王芳", "1 October"), "'1 October' is no day"),
        (("王芳", "2027-10-03..2027-10-01"), "the earlier day first: 2026-10-01..2026-10-03"),
    ):
        refused = huifang("staff", "duty", *arguments)
        assert refused.code == 2
        assert told in refused.err


def test_a_paused_sender_is_listed_and_let_go_on(bot: Run, tmp_path: Path) -> None:
    # given a bot that was paused until a person mends it
    assert bot("senders", "list").out == "telegram bot: sends, 25 messages a second\n"
    database = Database(f"sqlite:///{tmp_path / 'house.sqlite'}")
    with database.write() as session:
        store.add(session, "telegram", "bot")
        (row,) = store.known(session)
        paused_at = datetime.fromisoformat("2026-11-02T12:00:00+08:00")
        store.change(session, row.id, paused_at=paused_at, paused_because="the token is refused")
    database.close()

    # when it is listed, then the reason and the remedy are told
    told = bot("senders", "list").out
    assert f"telegram bot: paused since {paused_at.astimezone():%Y-%m-%d %H:%M}: " in told
    assert "the token is refused; then `huifang senders resume telegram`" in told
    assert bot("senders", "list", "--json").lines[0]["because"] == "the token is refused"

    # when it is let go on, then it sends again, and there is nothing more to resume
    assert bot("senders", "resume", "telegram", "--by", "王芳").out == "telegram: goes on\n"
    assert "sends" in bot("senders", "list").out
    again = bot("senders", "resume", "telegram")
    assert again.code == 2
    assert "is paused" in again.err
    bogus = bot("senders", "resume", "bogus")
    assert "no channel 'bogus' -> one of telegram" in bogus.err


# ----- classes

VALUE_CLASSES = Path(__file__).parents[1] / "docs" / "examples" / "value_classes.yaml"


@pytest.fixture
def shop(huifang: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A house with the example of docs/classes.md: one customer bought once, another five times."""
    monkeypatch.setenv("HUIFANG_PROGRAMS", str(VALUE_CLASSES))
    customers, purchases = tmp_path / "customers.csv", tmp_path / "purchases.csv"
    customers.write_text("id,name,phone\nann,Ann,+12125550101\nben,Ben,+12125550102\n", encoding="utf-8")
    rows = [("ben", 1), *(("ann", number) for number in range(2, 7))]
    lines = [f"{who},purchase,2026-10-0{number}T10:00-04:00,p{number},{number}00" for who, number in rows]
    purchases.write_text("\n".join(["customer,type,at,id,amount", *lines]), encoding="utf-8")
    for kind, file in (("customers", customers), ("events", purchases)):
        done = huifang("import", kind, str(file), "--source", "shop")
        assert done.code == 0, done.err + done.out
    return huifang


def test_classes_tell_who_belongs_where_and_what_each_gets(shop: Run) -> None:
    high, potential = sorted(shop("classes", "value_classes", "--on", "2026-11-02", "--json").lines, key=str)
    assert (high["class"], high["customers"], high["total"]) == ("high_value", 1, 2000.0)
    assert high["gets"] == ["care_high_value", "call_high_value", "winback"]
    assert (potential["class"], potential["share"], potential["share_of_total"]) == ("potential", 0.5, 100 / 2100)
    table = shop("classes", "value_classes", "--on", "2027-11-02").out
    assert "lost" in table
    assert "winback" in table


def test_classes_of_an_unknown_program_name_those_that_run(shop: Run) -> None:
    done = shop("classes", "nonsense")
    assert done.code == 2
    assert "value_classes" in done.err


# ----- what is kept


def test_what_must_be_kept_is_not_deleted_and_nobody_is_on_both_sides(
    huifang: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUIFANG_PROGRAMS", "solar")
    phone = ["--phone", "13800001001"]
    both = huifang("staff", "add", "Bao", *phone, "--role", "sales", "--role", "leader")
    assert (both.code, both.err.partition(" -> ")[0]) == (
        2,
        "role: sales takes no part in the surveys of solar, and leader does",
    )
    assert huifang("staff", "add", "Bao", *phone, "--role", "leader").code == 0
    (line,) = huifang("archive", "list", "--json").lines
    assert (line["program"], line["keep"], line["deletable"], line["next"]) == ("solar", "3y", 0, None)
    asked = huifang("archive", "ask", "solar", "--by", "Bao")
    assert (asked.code, asked.err) == (2, "nothing may be deleted: forms are kept for 3y\n")
    for words in (["approve", "solar"], ["refuse", "solar", "--reason", "no"]):
        assert "no deletion of solar waits" in huifang("archive", *words, "--by", "Bao").err
