"""How customers are addressed by name."""

import pytest

from messages.salutations import salutation


@pytest.mark.parametrize(
    ("name", "title", "spoken"),
    [
        ("张伟", "先生", "张先生"),
        (" 张 伟 ", "先生", "张先生"),
        ("王", "女士", "王女士"),
        ("欧阳明", "先生", "欧阳先生"),
        ("司马相如", "先生", "司马先生"),
        ("爱新觉罗启功", "先生", "爱新觉罗先生"),
        ("迪丽热巴", "女士", "迪丽热巴女士"),
        ("艾力江·买买提", "先生", "艾力江·买买提先生"),
        ("范徐丽泰", "女士", "范徐丽泰女士"),
        ("李建业", "先生", "李先生"),
        ("宏远纸业", "经理", "宏远纸业"),
        ("东方实业", "先生", "东方实业"),
        ("大发厂", "先生", "大发厂"),
        ("上海宏远贸易有限公司(总部)", "经理", "上海宏远贸易有限公司(总部)"),
        ("张伟", "", "张伟"),
        ("John Smith", "先生", "John Smith先生"),
        ("Acme Ltd.", "经理", "Acme Ltd."),
    ],
)
def test_r102_a_chinese_message_names_the_surname_or_the_whole_company(name: str, title: str, spoken: str) -> None:
    assert salutation(name, title, "zh") == spoken


@pytest.mark.parametrize(
    ("name", "title", "spoken"),
    [
        ("Ann Lee Smith", "Ms", "Ms Smith"),
        ("Smith", "Mr", "Mr Smith"),
        ("Ann Smith", "", "Ann Smith"),
        ("Acme Paper Ltd.", "Mr", "Acme Paper Ltd."),
        ("欧阳明", "Mr", "欧阳明"),
    ],
)
def test_an_english_message_names_the_last_name_or_the_whole_company(name: str, title: str, spoken: str) -> None:
    assert salutation(name, title, "en") == spoken


def test_r101_without_a_name_there_is_no_salutation() -> None:
    assert salutation("  ", "先生", "zh") is None
