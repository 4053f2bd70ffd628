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
        ("retail_aftersales", "杯子是破的", "quality"),
        ("retail_aftersales", "颜色发错了", "delivery"),
        ("generic_company", "东西是破的", "quality"),
        ("generic_company", "屏幕裂了一条缝", "quality"),
        ("generic_company", "东西碎了,怎么办", "quality"),
        ("generic_company", "发货太慢了", "delivery"),
        ("machinery_dealer", "贵公司服务太差", "service"),
        ("finance", "手续费太高", "price"),
        ("finance", "I am frustrated with the paperwork", "process"),
        ("followup_centre", "I feel ignored", "service"),
        ("insurance", "I applied twice and still not paid", "claims"),
        ("park_leasing", "different people, same attitude", "service"),
        ("property_management", "the street is dirty", "cleaning"),
        ("property_survey", "pathetic, rude staff", "service"),
        ("express", "basically rude", "service"),
        ("travel_agency", "I was busy and nobody replied", "service"),
    ],
)
def test_r119_the_topic_stands_where_the_reply_complains(pack: str, text: str, topic: str | None) -> None:
    assert topic_of(load_program(shipped_program_text(pack), pack), text) == topic
