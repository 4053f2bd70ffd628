"""Which encoding a file is in; a wrong guess must never pass."""

import codecs
from pathlib import Path

import pytest

from bot.errors import InputError
from bot.files import headings
from bot.files.encoding import recognise

SHORT = "姓名,手机\n张三,13800000000\n"
LONG = "姓名,手机,城市\n" + "".join(f"李娜{i},1380000{i:04d},上海\n" for i in range(3000))
ENGLISH = "name,phone\nJosé,+34600000000\n"


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("text", [SHORT, LONG, ENGLISH, "姓名\n", "name,phone\n王芳,13800000000\n"])
@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8-sig"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
    ],
)
def test_unicode_is_recognised(tmp_path: Path, text: str, encoding: str, mark: bytes, named: str) -> None:
    path = written(tmp_path, mark + text.encode(encoding))
    found = recognise(path, headings.is_known)
    assert found == named
    assert path.read_bytes().decode(found) == text


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        LONG,
        "客户编号;等级\n1;高\n",
        "name,phone\n张伟,13800000000\n王芳,13800000001\n",
        "name,phone,city\n陶喆,13800000000,上海\n",  # a character that GB2312 does not have
    ],
)
@pytest.mark.parametrize("encoding", ["gbk", "gb18030"])
def test_gb18030_is_recognised_where_it_reads_as_chinese(tmp_path: Path, text: str, encoding: str) -> None:
    assert recognise(written(tmp_path, text.encode(encoding)), headings.is_known) == "gb18030"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("姓名,電話\n陳小明,0912345678\n林美麗,0987654321\n", "big5"),
        ("이름,전화번호\n김철수,01012345678\n이영희,01087654321\n", "euc-kr"),
        ("name,phone\n김철수,01012345678\n", "euc-kr"),
        ("名前,電話番号\nやまだたろう,09012345678\n", "shift-jis"),
        ("name,phone\nJürgen Müller,+49301234567\n", "cp1252"),
        ("name,phone\nJosé Núñez,+34600000000\n", "latin-1"),
        ("имя,телефон\nИван,+79000000000\n", "cp1251"),
    ],
)
def test_what_is_not_certain_is_refused_and_never_garbled(tmp_path: Path, text: str, encoding: str) -> None:
    with pytest.raises(InputError) as refused:
        recognise(written(tmp_path, text.encode(encoding)), headings.is_known)
    assert refused.value.faults[0]["field"] == "encoding"
    assert "UTF-8" in refused.value.faults[0]["remedy"]


def test_one_bad_byte_is_named_by_its_line(tmp_path: Path) -> None:
    data = b"name,phone\nAnn,+447700900001\nBob,+447700900002\n" + b"Zo\xeb,+447700900003\n"
    with pytest.raises(InputError) as refused:
        recognise(written(tmp_path, data), headings.is_known)
    assert "line 4" in refused.value.faults[0]["reason"]


def test_a_cut_character_at_the_end_of_a_chunk_is_no_fault(tmp_path: Path) -> None:
    text = "姓名\n" + "张" * 700_000
    assert recognise(written(tmp_path, b"x" + text.encode()), headings.is_known) == "utf-8"
