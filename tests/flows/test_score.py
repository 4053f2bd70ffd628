"""What a reply is about, where it praises one thing and blames another."""

import pytest

from flows.load import load_program, shipped_program_text
from flows.score import topic_of


@pytest.mark.parametrize(
    ("pack", "text", "topic"),
    [
        ("property_survey", "电梯很快,就是楼道太脏", "cleaning"),
        ("property_survey", "电梯就是太慢,服务很好", "lift"),
        ("hospital", "护士很好,就是排队等了两个小时", "waiting"),
        ("hospital", "The nurse was great but we waited two hours", "waiting"),
        ("travel_agency", "导游很好,就是酒店太差", "hotel"),
        ("travel_agency", "酒店太差,导游很好", "hotel"),
        ("bank_branch", "功能不错,客服太慢,建议加人", "service"),
        ("hospital", "护士,医生", "treatment"),  # nothing is blamed: the program's own order
        ("hospital", "一言难尽", None),
    ],
)
def test_r119_the_topic_stands_where_the_reply_complains(pack: str, text: str, topic: str | None) -> None:
    assert topic_of(load_program(shipped_program_text(pack), pack), text) == topic
