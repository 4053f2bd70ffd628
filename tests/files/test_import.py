"""Customers and events from files: kept once, refused with a reason, on both databases."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from sqlmodel import select

from bot.errors import InputError
from bot.files import ImportReport, import_customers, import_events
from bot.files.rejects import COLUMNS, safe
from bot.files.seen import Seen
from bot.journey import enrolment
from bot.runtime import Runtime
from bot.store import customers
from bot.store.tables import ContactPointRow, CustomerRow, EnrolmentRow, EventRow, FollowUpRow

CDNOW = Path(__file__).parents[2] / "docs" / "examples" / "cdnow.yaml"
PEOPLE = """客户编号,客户姓名,性别,手机号码（必填）,等级,所在城市,生日,营销同意,备注
K1,张三,男,138 0000 0001,high_value,上海,1980/5/1,是,老客户
K2,李娜,女,13800000002,,杭州,,否,
"""


def written(tmp_path: Path, text: str, name: str = "file.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def everybody(runtime: Runtime) -> dict[str, CustomerRow]:
    with runtime.db.read() as session:
        return {row.external_id: row for row in session.exec(select(CustomerRow)).all()}


def everybody_named(runtime: Runtime) -> list[CustomerRow]:
    with runtime.db.read() as session:
        return list(session.exec(select(CustomerRow)).all())


def events(runtime: Runtime) -> list[EventRow]:
    with runtime.db.read() as session:
        return list(session.exec(select(EventRow).order_by(EventRow.id)).all())


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.known, report.refused


def rejected(report: ImportReport) -> list[dict[str, str]]:
    assert report.rejects_file is not None
    with report.rejects_file.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def refusal(call: object, *args: object, **named: object) -> dict[str, str]:
    with pytest.raises(InputError) as refused:
        call(*args, **named)  # type: ignore[operator]
    return dict(refused.value.faults[0])


# ----- customers


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_headers_in_any_encoding(runtime: Runtime, tmp_path: Path, encoding: str) -> None:
    # given a file as a Chinese shop exports it; when it is imported twice
    path = written(tmp_path, PEOPLE, encoding=encoding)
    first, again = import_customers(runtime, path), import_customers(runtime, path)
    # then everything is there, once, and the report says how the file was read
    assert counts(first) == (2, 0, 0, 0)
    assert counts(again) == (0, 0, 2, 0)
    assert encoding.split("-sig")[0].upper() in first.place
    assert first.unused == ("备注",)
    zhang = everybody(runtime)["K1"]
    assert (zhang.name, zhang.title, zhang.language) == ("张三", "先生", "zh")
    assert zhang.attributes == {"city": "上海", "birthday": "1980-05-01"}
    assert zhang.marketing_consent_at is not None
    with runtime.db.read() as session:
        points = session.exec(select(ContactPointRow.address)).all()
        classes = {row.customer_id: row.class_ for row in session.exec(select(EnrolmentRow))}
    assert sorted(points) == ["+8613800000001", "+8613800000002"]
    assert classes[zhang.id] == "high_value"


def test_a_workbook_with_numbers_as_phones(runtime: Runtime, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["姓名", "手机", "会员号"], ["王芳", 13800000000.0, 7.0], ["赵敏", 13800000001, None]):
        book.active.append(row)
    path = tmp_path / "会员.xlsx"
    book.save(path)
    assert counts(import_customers(runtime, path)) == (2, 0, 0, 0)
    assert set(everybody(runtime)) == {"7", ""}


def test_the_same_phone_is_the_same_customer(runtime: Runtime, tmp_path: Path) -> None:
    text = "id,name,phone,city\n1,Ann,+447700900001,Leeds\n2,Ann Lee,07700 900001,\n3,Bob,+447700900002,\n"
    text = text.replace("07700 900001", "+44 7700 900001")
    report = import_customers(runtime, written(tmp_path, text))
    assert counts(report) == (2, 1, 0, 0)
    people = everybody(runtime)
    assert set(people) == {"1", "3"}
    assert people["1"].name == "Ann Lee"
    with runtime.db.read() as session:
        keys = customers.by_keys(session, "file", ["1", "2", "3"])
    assert keys["1"] == keys["2"] != keys["3"]


PEACE = """姓名,手机,项目,领导介绍,匿名,方便联系时间,可联系日,免打扰时间
张三,13800000001,零售售后回访,是,,18：30-20：00,周一至周三,
李娜,13800000002,retail_aftersales,否,,,,12:00-14:00
王芳,13800000003,retail_aftersales,,也许,,周八,
赵敏,13800000004,retail_aftersales,,,20:30-22:00,,
"""


def test_a_line_that_wins_over_an_earlier_one_is_named(runtime: Runtime, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "id,name,phone\nk1,Ann,+8613800000001\nk2,Ben,+8613800000002\n"
        "k3,Cole,+86 138 0000 0001\nk2,Ben,+8613800000002\n",
    )
    report = import_customers(runtime, path)
    assert (report.same_customer, report.same_lines) == (2, (4, 5))
    assert "lines 4, 5" in report.summary()


def test_who_names_no_program_is_in_the_only_one_or_in_none(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, several = (
        written(tmp_path, f"name,phone\n{name},{phone}\n", f"{name}.csv")
        for name, phone in (
            ("Ann", "+8613800000001"),
            ("Ben", "+8613800000002"),
        )
    )
    (only, *_) = runtime.shelf.in_force
    assert import_customers(runtime, several).in_no_program == 1
    monkeypatch.setattr(type(runtime.shelf), "in_force", (only,))
    assert import_customers(runtime, one).in_no_program == 0
    with runtime.db.read() as session:
        enrolments = session.exec(select(EnrolmentRow)).all()
    assert [row.program_id for row in enrolments] == [only.program.id]


def test_own_times_and_flags_come_in_columns(runtime: Runtime, tmp_path: Path) -> None:
    first = import_customers(runtime, written(tmp_path, PEACE))
    assert (counts(first), first.unused) == ((2, 0, 0, 2), ())
    assert [row["reject_field"] for row in rejected(first)] == ["匿名; 可联系日", "windows"]
    assert "leave no time inside the hard hours 09:00-20:00" in rejected(first)[1]["reject_reason"]
    people = {row.name: row for row in everybody_named(runtime)}
    assert people["张三"].windows == {"times": ["18:30-20:00"], "days": ["mon", "tue", "wed"]}
    assert people["李娜"].windows == {"not": ["12:00-14:00"]}
    with runtime.db.read() as session:
        flags = {row.customer_id: row.flags for row in session.exec(select(EnrolmentRow))}
    assert flags == {people["张三"].id: {"leader_introduced": True}, people["李娜"].id: {}}
    # an empty cell says nothing, a "no" takes the flag away
    again = PEACE.replace("18：30-20：00,周一至周三,", ",,").replace("回访,是", "回访,否")
    assert counts(import_customers(runtime, written(tmp_path, again)))[1] == 1
    with runtime.db.read() as session:
        flags = {row.customer_id: row.flags for row in session.exec(select(EnrolmentRow))}
    assert flags[people["张三"].id] == {"leader_introduced": False}
    assert {row.name: row.windows for row in everybody_named(runtime)}["张三"] == people["张三"].windows


def test_a_changed_row_changes_the_customer(runtime: Runtime, tmp_path: Path) -> None:
    import_customers(runtime, written(tmp_path, PEOPLE))
    changed = import_customers(runtime, written(tmp_path, PEOPLE.replace("杭州", "苏州")))
    assert counts(changed) == (0, 1, 1, 0)
    assert everybody(runtime)["K2"].attributes["city"] == "苏州"


def test_more_rows_than_a_batch_and_bad_ones_between(runtime: Runtime, tmp_path: Path) -> None:
    # given some more rows than a batch holds, each seventh of them without a phone
    size = enrolment.BATCH + 20
    rows = [f"{i},P{i},{'' if i % 7 == 0 else f'+44770{i:07d}'}" for i in range(size)]
    seen: list[tuple[int, int]] = []
    # when they are imported
    path = written(tmp_path, "\n".join(["id,name,phone", *rows]))
    report = import_customers(runtime, path, progress=lambda done, total: seen.append((done, total)))
    # then the good ones are kept, the bad ones named by their lines, and the progress ends at the file's end
    bad = [i for i in range(size) if i % 7 == 0]
    assert counts(report) == (size - len(bad), 0, 0, len(bad))
    assert [int(row["reject_line"]) for row in rejected(report)] == [i + 2 for i in bad]
    assert seen[-1] == (path.stat().st_size,) * 2


def test_rejects_say_what_to_do_and_are_safe(runtime: Runtime, tmp_path: Path) -> None:
    # given rows with one fault each
    text = (
        "id,姓名,手机,class,language,note\n"
        "1,,+447700900001,,,\n"
        "2,Bob,1.38E+10,,,\n"
        '3,Cyd,12,,,"=HYPERLINK(""http://x"")"\n'
        "4,Dan,+447700900004,gold,,\n"
        "5,Eve,+447700900005,,klingon,\n"
        "6,Fay\n"
        "7,Good,+447700900007,,,\n"
    )
    report = import_customers(runtime, written(tmp_path, text))
    # then each is in the rejects file with line, column, reason and remedy; nothing there is a formula
    assert counts(report) == (1, 0, 0, 6)
    rows = rejected(report)
    assert list(rows[0]) == [*COLUMNS, "id", "姓名", "手机", "class", "language", "note"]
    assert [(row["reject_line"], row["reject_field"]) for row in rows] == [
        ("2", "姓名"), ("3", "手机"), ("4", "手机"), ("5", "class"), ("6", "language"), ("7", ""),
    ]  # fmt: skip
    assert all(row["reject_reason"] and row["reject_remedy"] for row in rows)
    assert "high_value" in rows[3]["reject_remedy"]
    assert rows[2]["note"] == '\'=HYPERLINK("http://x")'
    assert rows[0]["手机"] == "'+447700900001"
    assert str(report.rejects_file) in report.summary()


def test_a_mended_rejects_file_is_imported_as_it_is(runtime: Runtime, tmp_path: Path) -> None:
    path = written(tmp_path, "id,name,phone\n1,,+447700900001\n2,Bob,+447700900002\n")
    report = import_customers(runtime, path)
    rejects = report.rejects_file
    assert rejects is not None
    rejects.write_text(rejects.read_text(encoding="utf-8-sig").replace("1,,'+", "1,Ann,'+"), encoding="utf-8-sig")
    mended = import_customers(runtime, rejects, source="file")
    assert counts(mended) == (1, 0, 0, 0)
    assert mended.unused == ()
    assert set(everybody(runtime)) == {"1", "2"}
    # and when all is well, the rejects of last time are gone
    import_customers(runtime, written(tmp_path, "id,name,phone\n1,Ann,+447700900001\n"))
    assert not rejects.exists()


def test_a_file_beside_that_is_not_ours_is_left_alone(runtime: Runtime, tmp_path: Path) -> None:
    theirs = written(tmp_path, "my own notes", "file.csv.rejects.csv")
    import_customers(runtime, written(tmp_path, PEOPLE))
    assert theirs.read_text() == "my own notes"


@pytest.mark.parametrize(
    ("header", "field", "remedy"),
    [("id,phone", "name", "姓名"), ("姓名,城市", "phone", "手机"), ("foo,bar", "name", "the file has foo, bar")],
)
def test_a_missing_column_is_one_clear_error(
    runtime: Runtime, tmp_path: Path, header: str, field: str, remedy: str
) -> None:
    fault = refusal(import_customers, runtime, written(tmp_path, f"{header}\n1,2\n"))
    assert (fault["file"], fault["field"]) == ("file.csv", field)
    assert remedy in fault["remedy"]


def test_a_header_without_rows_is_no_error(runtime: Runtime, tmp_path: Path) -> None:
    report = import_customers(runtime, written(tmp_path, "name,phone\n"))
    assert counts(report) == (0, 0, 0, 0)
    assert "no rows" in report.summary()


# ----- events


def test_events_with_all_kinds_of_values(runtime: Runtime, tmp_path: Path) -> None:
    import_customers(runtime, written(tmp_path, PEOPLE, "shop.csv"))
    text = (
        "流水号,事件,手机号,购买日期,时间,实付金额,数量,商品,店员\n"
        'A1,购买,13800000001,2026/9/21,10:30,"￥1,234.50",2,台灯,小王\n'
        "A2,purchase,13800000002,20260922,,99元,1,保温杯,\n"
        "A3,first_visit,13800000002,2026-09-22 09:00,,,,,\n"
    )
    path = written(tmp_path, text)
    report = import_events(runtime, path, source="shop")
    assert counts(report) == (3, 0, 0, 0)
    assert report.unused == ("店员",)
    first, second, third = events(runtime)
    assert first.occurred_at.isoformat() == "2026-09-21T02:30:00+00:00"
    assert first.data == {"amount": 1234.5, "quantity": 2, "item": "台灯"}
    assert second.data == {"amount": 99, "quantity": 1, "item": "保温杯"}
    assert third.type == "first_visit"
    assert counts(import_events(runtime, path, source="shop")) == (0, 0, 3, 0)
    with runtime.db.read() as session:
        due = sorted(row.flow for row in session.exec(select(FollowUpRow)))
        measures = session.exec(select(EnrolmentRow).where(EnrolmentRow.activity_count > 0)).all()
    assert due == ["basic", "purchase", "purchase"]
    assert {row.activity_on for row in measures} == {date(2026, 9, 21), date(2026, 9, 22)}


def test_events_of_a_hospital_in_gb18030(runtime: Runtime, tmp_path: Path) -> None:
    import_customers(runtime, written(tmp_path, "病历号,患者姓名,电话\nB1,孙丽,13800000003\n", "hospital.csv"))
    text = "病历号,类型,出院日期,出院科室,主治医生\nB1,出院,2026年9月20日,骨科,沈医生\n"
    report = import_events(runtime, written(tmp_path, text, encoding="gb18030"), source="hospital")
    assert counts(report) == (1, 0, 0, 0)
    assert events(runtime)[0].data == {"department": "骨科", "doctor": "沈医生"}


def test_events_without_ids_get_one_of_their_content(runtime: Runtime, tmp_path: Path) -> None:
    # given two equal purchases of one day among others
    import_customers(runtime, written(tmp_path, PEOPLE, "shop.csv"))
    rows = ["K1,2026-09-20,10", "K1,2026-09-20,10", "K2,2026-09-20,10"]
    text = "customer,date,amount\n" + "\n".join(rows) + "\n"
    mapping = written(tmp_path, "source: shop\nfields: {type: {value: purchase}}\n", "map.yaml")
    # when the file comes, comes again, and comes with a row more in front
    path = written(tmp_path, text)
    assert counts(import_events(runtime, path, mapping=mapping)) == (3, 0, 0, 0)
    assert counts(import_events(runtime, path, mapping=mapping)) == (0, 0, 3, 0)
    longer = written(tmp_path, text.replace("amount\n", "amount\nK2,2026-09-19,5\n"))
    # then only what is new is new
    assert counts(import_events(runtime, longer, mapping=mapping)) == (1, 0, 3, 0)
    assert len(events(runtime)) == 4


def test_bad_events_are_refused_one_by_one(runtime: Runtime, tmp_path: Path) -> None:
    import_customers(runtime, written(tmp_path, PEOPLE, "shop.csv"))
    text = (
        "id,type,customer,date,amount\n"
        "1,purchase,K1,2026-09-20,ten\n"
        "2,moonwalk,K1,2026-09-20,10\n"
        "3,purchase,K9,2026-09-20,10\n"
        "4,purchase,,2026-09-20,10\n"
        "5,purchase,K1,,10\n"
        "6,purchase,K1,20/09/2026,10\n"
        "7,purchase,K1,2026-09-20,10\n"
    )
    report = import_events(runtime, written(tmp_path, text), source="shop")
    assert counts(report) == (1, 0, 0, 6)
    assert [row["reject_field"] for row in rejected(report)] == [
        "amount",
        "type",
        "customer",
        "customer",
        "date",
        "date",
    ]
    assert "purchase" in rejected(report)[1]["reject_remedy"]


@pytest.mark.parametrize(
    ("header", "field", "words"),
    [
        ("id,customer,date", "type", "purchase"),
        ("id,type,date", "customer", "客户编号"),
        ("id,type,customer", "at", "发生时间"),
    ],
)
def test_a_file_of_events_without_a_column(
    runtime: Runtime, tmp_path: Path, header: str, field: str, words: str
) -> None:
    fault = refusal(import_events, runtime, written(tmp_path, f"{header}\na,b,c\n"))
    assert fault["field"] == field
    assert words in fault["remedy"]


# ----- mappings


def test_a_mapping_names_translates_and_says_what_is_missing(runtime: Runtime, tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "source: crm\nprogram: retail_aftersales\ndelimiter: '|'\ndate_format: '%d.%m.%Y'\n"
        "fields:\n  name: Wer\n  phone: Womit\n  birthday: Geboren\n  language: {value: en}\n"
        "  class: {column: Klasse, values: {A: high_value, B: ordinary}}\n",
        "map.yaml",
    )
    path = written(tmp_path, "Wer|Womit|Klasse|Geboren\nAnn|+447700900001|A|01.05.1980\n")
    assert counts(import_customers(runtime, path, mapping=mapping)) == (1, 0, 0, 0)
    (ann,) = everybody(runtime).values()
    assert (ann.language, ann.attributes) == ("en", {"birthday": "1980-05-01"})
    with runtime.db.read() as session:
        assert session.exec(select(EnrolmentRow.class_)).one() == "high_value"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("fields: {name: Nope}", "Nope"),
        ("fields: {nonsense: name}", "fields.nonsense"),
        ("sauce: crm", "sauce"),
        ("zone: Mars/North", "zone"),
        ("program: bakery", "program"),
        ("encoding: klingon", "encoding"),
        ("a: [1", "line 1"),
        ("[1, 2]", "mapping"),
    ],
)
def test_a_mapping_that_is_wrong_is_one_clear_error(runtime: Runtime, tmp_path: Path, text: str, field: str) -> None:
    mapping = written(tmp_path, text, "map.yaml")
    fault = refusal(import_customers, runtime, written(tmp_path, PEOPLE), mapping=mapping)
    assert fault["field"] == field
    assert fault["reason"]
    assert fault["remedy"]


def test_one_file_feeds_customers_and_events(runtime: Runtime, tmp_path: Path) -> None:
    # given the first rows of the CDNOW file, one of them moved to last week
    text = (
        "customer_id,date,amount,quantity\n00001,1997-01-01,11.77,1\n00002,1997-01-12,12.0,1\n00002,1997-01-12,77.0,5\n"
        "00003,2026-09-22,20.76,2\n"
    )
    path = written(tmp_path, text)
    # when it is imported with the mapping that is shipped
    report = import_events(runtime, path, mapping=CDNOW)
    # then its customers are made, old purchases are facts, and the new one is followed up
    assert counts(report) == (4, 0, 0, 0)
    assert report.customers_new == 3
    people = everybody(runtime)
    assert people["00002"].name == "Customer 00002"
    with runtime.db.read() as session:
        addresses = set(session.exec(select(ContactPointRow.address)))
        second = session.exec(select(EnrolmentRow).where(EnrolmentRow.customer_id == people["00002"].id)).one()
        planned = session.exec(select(FollowUpRow.customer_id)).all()
    assert addresses == {"+15550000001", "+15550000002", "+15550000003"}
    assert (second.activity_count, second.activity_total, second.activity_on) == (2, 89.0, date(1997, 1, 12))
    assert planned == [people["00003"].id]
    # and the same file again, as events or as customers, changes nothing
    assert counts(import_events(runtime, path, mapping=CDNOW)) == (0, 0, 4, 0)
    assert counts(import_customers(runtime, path, mapping=CDNOW)) == (0, 0, 4, 0)


def test_a_pattern_that_does_not_fit_a_row_refuses_it(runtime: Runtime, tmp_path: Path) -> None:
    path = written(tmp_path, "customer_id,date,amount\nABC,2026-09-22,5\n00003,2026-09-22,20.76\n")
    report = import_events(runtime, path, mapping=CDNOW)
    assert counts(report) == (1, 0, 0, 1)
    assert "no whole number" in rejected(report)[0]["reject_reason"]


# ----- small parts


def test_formulas_are_disarmed() -> None:
    assert [safe(text) for text in ("=1", "+1", "-1", "@x", "\tx", "x=1")] == [
        "'=1", "'+1", "'-1", "'@x", "'\tx", "x=1",
    ]  # fmt: skip


def test_seen_counts_every_content() -> None:
    seen = Seen()
    said = Counter(f"row {i % 7_000}" for i in range(20_000))
    ordinals: dict[str, list[int]] = {}
    for i in range(20_000):
        ordinals.setdefault(f"row {i % 7_000}", []).append(seen.ordinal(f"row {i % 7_000}")[1])
    assert all(ordinals[text] == list(range(1, count + 1)) for text, count in said.items())
