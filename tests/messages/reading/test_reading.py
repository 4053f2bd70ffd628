"""The contract of a Reading: scales, points, levels, offered words, several questions, intents, alerts."""

import pytest

from messages.reading import Category, Intent, Question, Scale, read

FIVE = Question(Scale.FIVE, language="zh")
OFFERED = ("满意", "较满意", "基本满意", "不太满意", "非常不满意")


@pytest.mark.parametrize(
    ("word", "points", "level"),
    [("满意", 100, 5), ("较满意", 80, 4), ("基本满意", 60, 3), ("不太满意", 40, 2), ("非常不满意", 20, 1)],
)
def test_the_five_offered_words_are_the_five_levels(word: str, points: int, level: int) -> None:
    reading = read(word, Question(Scale.LEVEL5, levels=OFFERED))

    assert (reading.points, reading.level) == (points, level)


def test_the_place_of_a_word_depends_on_what_was_offered() -> None:
    other = Question(Scale.LEVEL5, levels=("非常满意", "满意", "一般", "不满意", "非常不满意"))

    assert read("满意", Question(Scale.LEVEL5, levels=OFFERED)).score == 5
    assert read("满意", other).score == 4
    assert read("满意", Question(Scale.LEVEL5)).score == 4


@pytest.mark.parametrize(
    ("text", "scale", "score", "points"),
    [
        ("4", Scale.FIVE, 4, 80),
        ("满意", Scale.LEVEL5, 4, 80),
        ("8", Scale.ZERO_TO_TEN, 8, 80),
        ("0", Scale.ZERO_TO_TEN, 0, 0),
        ("8", Scale.ONE_TO_TEN, 8, 80),
        ("85", Scale.HUNDRED, 85, 85),
        ("是", Scale.YESNO, 1, 100),
        ("没有", Scale.YESNO, 0, 0),
        ("yes", Scale.YESNO, 1, 100),
        ("N", Scale.YESNO, 0, 0),
    ],
)
def test_points_follow_the_scale(text: str, scale: Scale, score: float, points: int) -> None:
    reading = read(text, Question(scale))

    assert (reading.intent, reading.score, reading.points) == (Intent.SCORE, score, points)


def test_level_words_are_matched_longest_first() -> None:
    """R114: none of these is ever read as 满意."""
    for text in ("不太满意", "非常不满意", "不满意", "不是很满意", "不怎么满意", "谈不上满意", "满意个屁"):
        reading = read(text, Question(Scale.LEVEL5))
        assert reading.score is not None
        assert reading.score <= 2, text


def test_mixed_praise_and_complaint_follows_the_complaint() -> None:
    """R118."""
    reading = read("东西不错,客服回得慢,建议加人", Question(Scale.TEXT, language="zh"))

    assert reading.category is Category.COMPLAINT
    assert set(reading.categories) == {Category.PRAISE, Category.COMPLAINT, Category.SUGGESTION}


@pytest.mark.parametrize(
    "text",
    [
        "业务很熟,但是迟到了半小时",
        "态度可以，但是修了三次还没好",
        "技术过硬，就是价格太贵",
        "师傅人还行，不过来晚了",
        "医生可以，护士太凶",
        "师傅懂技术，就是约了三次才来",
        "knows his stuff, but was half an hour late",
        "The staff were ok but the room was dirty",
        "nice enough but left a mess",
        "technically sound but rude",
    ],
)
def test_faint_praise_before_a_but_is_praise_beside_the_complaint(text: str) -> None:
    """R118."""
    reading = read(text, Question(Scale.TEXT))

    assert reading.categories == (Category.COMPLAINT, Category.PRAISE)


@pytest.mark.parametrize(
    "text", ["业务不熟，就是慢", "态度不可以，就是慢", "时间可以，但是别太早", "nobody knew what they were doing"]
)
def test_what_is_denied_or_agreed_to_is_no_praise(text: str) -> None:
    assert Category.PRAISE not in read(text, Question(Scale.TEXT), with_model=False).categories


def test_a_number_off_the_scale_asks_again_and_books_nothing() -> None:
    reading = read("6", FIVE)

    assert (reading.intent, reading.score, reading.points) == (Intent.UNCLEAR, None, None)


def test_several_answers_fill_the_questions_in_order() -> None:
    reading = read("1是2否3是4是", Question(Scale.YESNO, n_questions=4))

    assert reading.answers == (1, 0, 1, 1)
    assert reading.as_dict()["answers"] == [1, 0, 1, 1]


def test_a_score_said_beside_an_intent_is_kept() -> None:
    reading = read("2分，给我回电话", FIVE)

    assert (reading.intent, reading.score) == (Intent.CALLBACK, 2)
    assert reading.needs_person


def test_an_emergency_is_a_call_whatever_else_is_said() -> None:
    reading = read("5分，就是热水器冒烟了", FIVE)

    assert (reading.intent, reading.urgent, reading.score) == (Intent.CALLBACK, True, 5)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("在开会", "busy"), ("改天再说", "busy"), ("谢谢", "thanks"), ("谢谢,新年快乐", "greeting"), ("busy now", "busy")],
)
def test_what_kind_of_non_answer_it_is(text: str, kind: str) -> None:
    reading = read(text, FIVE)

    assert (reading.intent, reading.kind) == (Intent.UNCLEAR, kind)


def test_alert_words_of_the_program_raise_their_flag_unless_denied() -> None:
    """R121."""
    hospital = Question(Scale.FIVE, alert_words={"medical": ("疼", "出血", "发烧", "想不开")})

    assert read("伤口还疼", hospital).flags == ("medical",)
    assert read("5分 有点发烧", hospital).flags == ("medical",)
    assert read("不疼了", hospital).flags == ()
    assert read("没有发烧", hospital).flags == ()
    assert "flags" in read("伤口还疼", hospital).as_dict()


def test_alert_words_of_another_visit_or_inside_another_word_raise_nothing() -> None:
    visits = Question(Scale.FIVE, alert_words={"fake": ("没来", "没见", "never came", "didn't show", "sue")})

    for text in ("他没来", "没见到你们的人", "He never came", "They didn't show up", "We will sue you"):
        assert read(text, visits).flags == ("fake",), text
    for text in (
        "上个月没来，这次来了",
        "执照还没来",
        "没来得及看",
        "没见过这么好的",
        "No issue",
        "Never came last time",
    ):
        assert read(text, visits).flags == (), text


def test_a_move_that_nobody_plans_raises_nothing() -> None:
    park = Question(Scale.FIVE, alert_words={"churn": ("搬走", "搬到", "要搬")})

    for text in ("准备搬走", "再涨就把公司搬走", "考虑搬到对面"):
        assert read(text, park).flags == ("churn",), text
    for text in ("不会搬走", "没打算搬走", "刚搬到园区", "把货搬到门口", "要搬货，电梯坏了"):
        assert read(text, park).flags == (), text


def test_a_flag_named_emergency_makes_a_reply_urgent() -> None:
    reading = read("塔吊晃得厉害", Question(Scale.FIVE, alert_words={"emergency": ("塔吊",)}))

    assert (reading.intent, reading.urgent) == (Intent.CALLBACK, True)


def test_a_contradiction_needs_a_person() -> None:
    for text in ("服务满意，价格不满意", "非常满意 1分"):
        assert read(text, Question(Scale.LEVEL5)).needs_person, text


def test_the_json_of_a_reading_has_the_fields_of_the_contract() -> None:
    assert list(read("5分，师傅很专业", FIVE).as_dict()) == [
        "intent", "kind", "score", "points", "level", "polarity", "category", "categories", "confidence",
        "needs_person", "urgent", "because",
    ]  # fmt: skip


def test_a_reading_tells_its_reasons() -> None:
    assert read("不太满意", Question(Scale.LEVEL5)).because[0] == "level word 不太满意"
    assert read("别再发了", FIVE).because == ("opt_out: 别再发",)


def test_free_text_without_known_words_is_judged_by_the_model_and_says_so() -> None:
    reading = read("商品与网站图片差距明显", Question(Scale.TEXT, language="zh"))
    silent = read("he explained the whole procedure beforehand", Question(Scale.TEXT), with_model=False)

    assert reading.polarity < 0
    assert silent.polarity >= 0


def test_a_dissatisfied_word_never_ends_on_the_happy_side() -> None:
    negatives = ["不", "不太", "不是很", "很不", "非常不", "一点也不", "谈不上", "算不上", "没那么", "不怎么", "很难说"]
    particles = ["", "吧", "啊", "了", "！！！", "，谢谢", " 👍"]
    for negative in negatives:
        for particle in particles:
            reading = read(f"{negative}满意{particle}", Question(Scale.LEVEL5))
            assert reading.score is None or reading.score <= 3, (negative, particle, reading)
