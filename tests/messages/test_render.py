"""Template and variables become a text: fallbacks, dates, and what is refused."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from messages.render import LONGEST_BODY, VARIABLES, TemplateError, parse, render

SHANGHAI = ZoneInfo("Asia/Shanghai")


class TestMissingData:
    """R101: a fallback, and never an empty bracket or "None"."""

    @pytest.mark.parametrize("nothing", [None, "", "   "])
    def test_a_missing_salutation_falls_back_in_the_language_of_the_message(self, nothing: str | None) -> None:
        assert render("{{ salutation }}，您好", {"salutation": nothing}, "zh-CN") == "尊敬的客户，您好"
        assert render("{{ salutation }}, hello", {"salutation": nothing}, "en") == "Dear customer, hello"

    def test_a_variable_that_was_not_even_given_is_missing_too(self) -> None:
        assert render("{{ salutation }}，您好", {}, "zh") == "尊敬的客户，您好"

    def test_a_fallback_passes_through_filters_like_any_value(self) -> None:
        assert render("{{ salutation | upcase }}", {}, "en") == "DEAR CUSTOMER"

    def test_the_default_of_a_template_beats_the_fallback_of_the_house(self) -> None:
        assert render("{{ salutation | default: '亲爱的会员' }}", {}, "zh") == "亲爱的会员"

    def test_a_default_may_be_another_variable(self) -> None:
        assert render("{{ item | default: company }}", {"company": "青禾"}, "zh") == "青禾"

    def test_a_missing_value_is_false_in_conditions(self) -> None:
        body = "{% if item %}有{% else %}无{% endif %}{% unless item %}无{% endunless %}{% if level < 3 %}低{% endif %}"
        assert render(body, {"item": " "}, "zh") == "无无"

    def test_zero_is_a_value(self) -> None:
        assert render("{% if count %}{{ count }}{% endif %}", {"count": 0}, "zh") == "0"

    def test_a_gap_nobody_provided_for_is_an_error_and_not_a_hole(self) -> None:
        with pytest.raises(TemplateError, match=r"line 2, body: item is not known for every customer\. .*default"):
            render("您好\n您的{{ item }}已完成", {}, "zh")

    def test_a_message_without_its_question_is_not_sent(self) -> None:
        with pytest.raises(TemplateError, match="question was not given"):
            render("{{ question }}", {}, "zh")


class TestUnknownVariables:
    def test_the_error_names_the_line_the_likely_name_and_all_known_ones(self) -> None:
        with pytest.raises(TemplateError) as caught:
            render("您好\n\n{{ salutaton }}", {}, "zh")
        assert caught.value.line == 3
        assert "Did you mean salutation?" in caught.value.remedy
        assert all(name in caught.value.remedy for name in VARIABLES)

    def test_they_are_found_even_in_branches_that_are_not_taken(self) -> None:
        with pytest.raises(TemplateError, match="unknown variable vip"):
            render("{% if item %}{{ vip }}{% endif %}", {}, "zh")

    def test_a_variable_of_the_program_is_known_because_it_is_given(self) -> None:
        assert render("{{ mileage }}公里", {"mileage": 5000.0}, "zh") == "5000公里"


class TestValues:
    def test_numbers_are_written_plainly(self) -> None:
        body = "{{ a }} {{ b }} {{ c }}"
        assert render(body, {"a": 3, "b": 2.5, "c": Decimal("9.90")}, "en") == "3 2.5 9.90"

    def test_what_a_customer_writes_is_never_read_as_a_template(self) -> None:
        words = "{{ company }}{% if x %}"
        assert render("“{{ reply_text }}”", {"reply_text": words}, "zh") == f"“{words}”"

    def test_case_chooses_a_branch(self) -> None:
        body = "{% case level %}{% when '满意', '较满意' %}谢谢{% when 2 %}二{% else %}抱歉{% endcase %}"
        assert [render(body, {"level": level}, "zh") for level in ("较满意", 2, "不满意")] == ["谢谢", "二", "抱歉"]

    def test_conditions_compare_and_combine(self) -> None:
        body = "{% if level >= 3 and item contains '灯' or ticket_id == 'T1' %}是{% else %}否{% endif %}"
        assert render(body, {"level": 3, "item": "台灯", "ticket_id": "T2"}, "zh") == "是"
        assert render(body, {"level": 2, "item": "台灯", "ticket_id": "T2"}, "zh") == "否"

    def test_long_words_are_cut_with_plain_dots_that_cost_no_ucs_2(self) -> None:
        assert render("{{ reply_text | truncate: 8 }}", {"reply_text": "abcdefghijk"}, "en") == "abcde..."

    def test_comments_do_not_show(self) -> None:
        assert render("a{% comment %} {{ anything }} {% endcomment %}b{% # note %}", {}, "en") == "ab"


class TestDates:
    INSTANT = datetime(2026, 10, 10, 10, 5, tzinfo=UTC)

    def test_an_instant_is_told_on_the_customers_wall(self) -> None:
        variables = {"due_at": self.INSTANT}
        assert render("{{ due_at }}", variables, "zh", SHANGHAI) == "10月10日18:05"
        assert render("{{ due_at | date }}", variables, "en", ZoneInfo("America/New_York")) == "10 Oct 06:05"

    def test_a_day_has_no_clock(self) -> None:
        assert render("{{ event_on }}", {"event_on": date(2026, 9, 29)}, "zh", SHANGHAI) == "9月29日"

    def test_a_marketer_may_choose_the_pattern(self) -> None:
        variables = {"due_at": self.INSTANT}
        assert (
            render("{{ due_at | date: '%Y年%-m月%-d日%A %H:%M' }}", variables, "zh", SHANGHAI)
            == "2026年10月10日星期六 18:05"
        )
        assert render("{{ due_at | date: '%A %d %b %m %-H' }}", variables, "en") == "Saturday 10 Oct 10 10"

    def test_a_missing_date_takes_its_default(self) -> None:
        assert render("{{ due_at | default: '近日' }}", {}, "zh") == "近日"

    @pytest.mark.parametrize("word", ["now", "today"])
    def test_the_wall_clock_cannot_be_read(self, word: str) -> None:
        for body in (f"{{{{ '{word}' | date: '%Y' }}}}", f"{{{{ {word} }}}}", f"{{{{ {word} | date: '%Y' }}}}"):
            with pytest.raises(TemplateError):
                render(body, {}, "en")
        with pytest.raises(TemplateError, match="not a date"):
            render("{{ item | date }}", {"item": word}, "en")

    def test_an_unknown_pattern_is_refused_when_it_is_saved(self) -> None:
        with pytest.raises(TemplateError, match="date knows only the patterns"):
            parse("{{ due_at | date: '%c' }}")


HOSTILE = [
    "{{ (1..50000000) | join }}",
    "{% if (1..50000000) contains 5 %}x{% endif %}",
    "{{ item | default: (1..50000000) }}",
    "{% for i in (1..9) %}x{% endfor %}",
    "{% tablerow i in (1..9) %}x{% endtablerow %}",
    "{% assign x = 1 %}",
    "{% capture x %}x{% endcapture %}",
    "{% increment x %}",
    "{% include 'x' %}",
    "{% render 'x' %}",
    "{% echo item %}",
    "{% liquid echo item %}",
    "{{ item | append: item }}",
    "{{ item.__class__ }}",
    "{{ item[company] }}",
    "{% case item %}{% when 'a', 'a' %}x{% endcase %}",  # Liquid would render x twice; nested, it never ends
    "{% case item %}{% when company, item %}x{% endcase %}",
    "{% if item %}" * 40 + "{% endif %}" * 40,
    "{% if " + "item and " * 200 + "item %}x{% endif %}",
    "{{ " + "item[" * 300 + "item" + "]" * 300 + " }}",
    "{{" * (LONGEST_BODY // 2),
    "{{ " + "(" * (LONGEST_BODY - 10) + " }}",
    "{% raw %}" * (LONGEST_BODY // 10),
    "{% comment %}" * 150,
    "x" * (LONGEST_BODY + 1),
    "{{ item",
    "{% if item %}",
    "{% if item %}a{% else %}b{% else %}c{% endif %}",
    "{{ item | default: 'x', allow_false: true }}",
    "{{ item | truncate: item }}",
    "{{ 'words' }}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: body[:40])
def test_what_is_not_on_the_list_is_refused_quickly_and_before_rendering(body: str) -> None:
    before = time.process_time()
    with pytest.raises(TemplateError) as caught:
        parse(body)
    assert caught.value.remedy
    assert time.process_time() - before < 1


def test_an_error_tells_line_problem_and_remedy() -> None:
    with pytest.raises(TemplateError) as caught:
        parse("一\n二\n{% for x in y %}")
    assert str(caught.value).startswith("line 3, body: unexpected tag 'for'. A template may use")


def test_a_body_is_parsed_once() -> None:
    assert parse("只一次 {{ company }}") is parse("只一次 {{ company }}")
