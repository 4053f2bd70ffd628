"""Files as lines with their real numbers."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from bot.errors import InputError
from bot.files import headings
from bot.files.tables import LONGEST_CELL, LONGEST_LINE, Line, open_table


def lines_of(path: Path) -> tuple[tuple[str, ...], list[Line]]:
    with open_table(path, headings.is_known) as table:
        return table.header, list(table.lines)


def csv_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode())
    return path


def refusal(path: Path) -> dict[str, str]:
    with pytest.raises(InputError) as refused:
        lines_of(path)
    return dict(refused.value.faults[0])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_separator_is_recognised(tmp_path: Path, delimiter: str, end: str) -> None:
    rows = [["name", "phone", "note"], ["Ann", "1", "a"], ["Bob", "2", '"x, y; z"']]
    header, lines = lines_of(csv_file(tmp_path, end.join(delimiter.join(row) for row in rows)))
    assert header == ("name", "phone", "note")
    assert [line.cells for line in lines] == [("Ann", "1", "a"), ("Bob", "2", "x, y; z")]
    assert [line.number for line in lines] == [2, 3]


def test_excel_may_tell_its_separator(tmp_path: Path) -> None:
    header, lines = lines_of(csv_file(tmp_path, "sep=;\nname;phone\nAnn;1\n"))
    assert header == ("name", "phone")
    assert [(line.number, line.cells) for line in lines] == [(3, ("Ann", "1"))]


def test_a_cell_over_several_lines_keeps_the_numbers_right(tmp_path: Path) -> None:
    _, lines = lines_of(csv_file(tmp_path, 'name,note\nAnn,"one\ntwo\nthree"\n\nBob,x\n'))
    assert [(line.number, line.cells) for line in lines] == [(2, ("Ann", "one\ntwo\nthree")), (6, ("Bob", "x"))]


def test_ragged_rows_are_named_and_the_others_kept(tmp_path: Path) -> None:
    _, lines = lines_of(csv_file(tmp_path, "name,phone\nAnn\nBob,2,3\nCyd,4,,\n,\nDan,5\n"))
    assert [(line.number, bool(line.fault)) for line in lines] == [(2, True), (3, True), (4, False), (6, False)]
    assert lines[0].fault == "has 1 cells where the header has 2"
    assert lines[2].cells == ("Cyd", "4")


def test_nuls_quotes_and_mad_cells_are_faults_of_their_rows(tmp_path: Path) -> None:
    text = (
        'name,phone\nA\0nn,1\n"Bob"x,2\nCyd,'
        + "9" * (LONGEST_LINE + 5)
        + "\nDan,"
        + "x" * (LONGEST_CELL + 1)
        + "\nEve,5\n"
    )
    _, lines = lines_of(csv_file(tmp_path, text))
    assert [(line.number, bool(line.fault)) for line in lines] == [
        (2, True),
        (3, True),
        (4, True),
        (5, True),
        (6, False),
    ]
    assert "NUL" in lines[0].fault
    assert "longer than" in lines[2].fault


def test_a_quote_that_never_closes_costs_as_little_as_may_be(tmp_path: Path) -> None:
    rows = "".join(f"Ann {i},{i}\n" for i in range(40_000))
    _, lines = lines_of(csv_file(tmp_path, f'name,phone\n"Bob,1\n{rows}'))
    assert lines[0].number == 2
    assert "has no end" in lines[0].fault
    assert len(lines) > 20_000
    assert lines[-1].cells == ("Ann 39999", "39999")
    assert lines[-1].number == 40_002


def test_an_open_quote_at_the_end_is_told(tmp_path: Path) -> None:
    _, lines = lines_of(csv_file(tmp_path, 'name,phone\nAnn,1\n"Bob,2\nCyd,3\n'))
    assert [line.number for line in lines] == [2, 3]
    assert "lines 3 to 4" in lines[1].fault


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "is empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "old or an encrypted Excel"),
        (b"PK\x03\x04 no zip", "no readable Excel"),
        (b"name,phone,name\n", "header of two columns"),
    ],
)
def test_a_file_of_no_use_is_one_clear_error(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    fault = refusal(path)
    assert reason in fault["reason"]
    assert fault["remedy"]
    assert fault["file"] == "file.csv"


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "no.csv")["reason"]
    assert "cannot be read" in refusal(tmp_path)["reason"]


# ----- XLSX


def workbook(tmp_path: Path, *rows: Sequence[object]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    path = tmp_path / "file.xlsx"
    book.save(path)
    return path


def test_a_sheet_gives_kinds_and_numbers(tmp_path: Path) -> None:
    at = datetime(2026, 9, 1, 10, 30)  # noqa: DTZ001 - a spreadsheet knows no zones
    path = workbook(tmp_path, ["姓名", "手机", "日期"], ["张三", 13800000000.0, at], [], ["李四", "13900000000"])
    header, lines = lines_of(path)
    assert header == ("姓名", "手机", "日期")
    assert [(line.number, line.cells) for line in lines] == [
        (2, ("张三", 13800000000, at)),
        (4, ("李四", "13900000000", None)),
    ]


def test_formulas_are_never_run(tmp_path: Path) -> None:
    _, lines = lines_of(workbook(tmp_path, ["name", "amount"], ["Ann", "=1+1"]))
    assert lines[0].cells == ("Ann", None)


def test_a_named_sheet_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["name"])
    book.create_sheet("2026").append(["phone"])
    path = tmp_path / "file.xlsx"
    book.save(path)
    with open_table(path, headings.is_known, sheet="2026") as table:
        assert table.header == ("phone",)
    with open_table(path, headings.is_known) as table:
        assert "1 more not read" in table.place
    with pytest.raises(InputError, match="is not in the file"), open_table(path, headings.is_known, sheet="x"):
        pass


def test_a_sheet_that_lies_about_its_size_is_read_to_its_end(tmp_path: Path) -> None:
    import zipfile

    path = workbook(tmp_path, ["name", "phone"], *[[f"A{i}", i] for i in range(50)])
    lying = tmp_path / "lying.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(lying, "w") as target:
        for item in source.infolist():
            data = source.read(item)
            if item.filename.endswith("sheet1.xml"):
                data = data.replace(b'ref="A1:B51"', b'ref="A1"')
            target.writestr(item, data)
    assert len(lines_of(lying)[1]) == 50


def test_an_empty_sheet_is_a_clear_error(tmp_path: Path) -> None:
    assert "is empty" in refusal(workbook(tmp_path))["reason"]


def test_a_workbook_under_another_name_is_still_one(tmp_path: Path) -> None:
    path = workbook(tmp_path, ["name"], ["Ann"]).rename(tmp_path / "file.csv")
    assert lines_of(path)[0] == ("name",)
