"""A repeated list of words fits a text in one way only, and still fits the same texts."""

import re

import pytest

from messages.reading.repeats import in_one_way

CASES = (
    ("^(?:谢谢|谢|你们)*$", "^(?:谢|你们)*$"),
    ("^(?:好的?|的|哈)+$", "^(?:好|的|哈)+$"),
    (r"^(?:,|在吗|,在吗|\?)*$", r"^(?:,|在吗|\?)*$"),
    ("^(?:谢谢|谢)$", "^(?:谢谢|谢)$"),
    ("^(?:谢.|谢)*$", "^(?:谢.|谢)*$"),
)
TEXTS = ("", "谢谢", "谢谢谢你们", "谢你", "好的好", "的哈好", "在吗,在吗?", "谢了")


@pytest.mark.parametrize(("pattern", "pruned"), CASES)
def test_words_that_others_make_are_left_out_and_nothing_else_changes(pattern: str, pruned: str) -> None:
    assert in_one_way(pattern) == pruned
    assert [bool(re.search(pruned, text)) for text in TEXTS] == [bool(re.search(pattern, text)) for text in TEXTS]
