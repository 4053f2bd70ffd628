"""The shipped templates, how a program finds one, and the checks on saving."""

from functools import lru_cache
from itertools import product

import pytest

from flows.load import load_program, shipped_program_ids, shipped_program_text
from messages.catalog import (
    LANGUAGES,
    VARIABLES,
    Catalog,
    Problem,
    Purpose,
    Template,
    TemplateError,
    Variable,
    check_template,
    check_wording,
    parse_template,
    sample_values,
    shipped,
    untidy,
)
from messages.render import Value, parse, render
from messages.sms import culprits, measure


def a_template(body: str, purpose: Purpose = Purpose.REPLY, language: str = "zh") -> Template:
    return Template("common/test", language, purpose, "测试", body)


def program_of(template: Template) -> str:
    return template.key.partition("/")[0]


def nobody_reads_answers(template: Template) -> bool:
    return template.key == "common/mail_survey"


each_shipped = pytest.mark.parametrize("template", shipped(), ids=lambda each: f"{each.language}/{each.key}")


@lru_cache
def own(program_id: str) -> tuple[str, ...]:
    """What a shipped program says of customers, events and tasks: variables of its own templates, maybe missing."""
    if program_id not in shipped_program_ids():
        return ()
    program = load_program(shipped_program_text(program_id), program_id)
    return tuple(sorted(set(program.variables()) - VARIABLES.keys()))


def samples_of(template: Template) -> dict[str, Value]:
    program = program_of(template)
    return sample_values(template.language, program=program, extra_variables=own(program))


class TestShippedTemplates:
    def test_both_languages_have_the_same_keys_and_purposes(self) -> None:
        chinese, english = (
            {each.key: each.purpose for each in shipped() if each.language == language} for language in LANGUAGES
        )
        assert chinese == english
        assert len(chinese) > 40

    @each_shipped
    def test_the_checks_on_saving_find_nothing(self, template: Template) -> None:
        assert check_template(template, extra_variables=own(program_of(template))) == []

    @each_shipped
    def test_it_reads_well_with_every_variable_known(self, template: Template) -> None:
        text = render(template.body, samples_of(template), template.language)
        assert untidy(text) is None

    @each_shipped
    def test_it_reads_well_when_all_that_may_be_missing_is_missing(self, template: Template) -> None:
        # given only what the house always supplies
        required = {name for name, variable in VARIABLES.items() if variable.required}
        values = {name: value if name in required else None for name, value in samples_of(template).items()}
        # when it is rendered
        text = render(template.body, values, template.language)
        # then nothing shows through (R101)
        assert text
        assert untidy(text) is None

    @each_shipped
    def test_every_mixture_of_known_and_missing_data_renders(self, template: Template) -> None:
        samples = samples_of(template)
        optional = [
            name for name in parse(template.body).names if name not in VARIABLES or not VARIABLES[name].required
        ]
        for known in product((True, False), repeat=len(optional)):
            gaps = {name: None for name, is_known in zip(optional, known, strict=True) if not is_known}
            assert untidy(render(template.body, {**samples, **gaps}, template.language)) is None

    @each_shipped
    def test_a_survey_says_who_asks_what_and_how_to_opt_out_in_two_segments(self, template: Template) -> None:
        if template.purpose is not Purpose.SURVEY:
            return
        names = parse(template.body).names
        text = render(template.body, samples_of(template), template.language)
        assert {"company", "question"} <= names.keys()
        by_reply = "回T退订" if template.language == "zh" else "Reply STOP to opt out"
        on_page = "不再接收" if template.language == "zh" else "No more messages"
        assert (by_reply in text, on_page in text) == (
            (False, True) if nobody_reads_answers(template) else (True, False)
        )
        assert measure(text).segments <= 2

    @each_shipped
    def test_english_stays_in_the_cheap_alphabet(self, template: Template) -> None:
        if template.language == "en":
            assert culprits(template.body.replace("{", "").replace("}", "")) == ()

    def test_the_apology_says_by_when_somebody_calls(self) -> None:
        for key, language in product(("common", "hospital", "auto_repair"), LANGUAGES):
            template = Catalog.of(shipped()).find("apology", program=key, language=language)
            assert "expected_answer_at" in parse(template.body).names
            assert template.purpose is Purpose.REPLY

    def test_only_win_backs_are_marketing(self) -> None:
        marketing = {each.key for each in shipped() if each.purpose is Purpose.MARKETING}
        assert {key.partition("/")[2] for key in marketing} == {"winback"}


class TestFinding:
    CATALOG = Catalog.of(
        [
            Template("common/apology", "zh", Purpose.REPLY, "", "通用"),
            Template("common/apology", "en", Purpose.REPLY, "", "common"),
            Template("hospital/apology", "zh", Purpose.REPLY, "", "医院"),
            Template("common/thanks", "zh", Purpose.REPLY, "", "谢谢"),
            Template("common/hello", "en", Purpose.REPLY, "", "hello"),
            Template("common/hello", "es", Purpose.REPLY, "", "hola"),
        ]
    )

    @pytest.mark.parametrize(
        ("name", "language", "default_language", "body"),
        [
            ("apology", "zh", "zh", "医院"),
            ("apology", "zh-CN", "zh", "医院"),
            ("apology", "en-US", "zh", "common"),  # a common message one can read beats a special one one cannot
            ("apology", "fr", "en", "common"),
            ("thanks", "en", "en", "谢谢"),
            ("hello", "zh", "zh", "hello"),
            ("hello", "fr", "es", "hola"),
        ],
    )
    def test_language_comes_first_then_the_program(
        self, name: str, language: str, default_language: str, body: str
    ) -> None:
        found = self.CATALOG.find(name, program="hospital", language=language, default_language=default_language)
        assert found.body == body

    def test_an_unknown_name_is_an_error_that_lists_the_known_ones(self) -> None:
        with pytest.raises(TemplateError, match=r"no template aplogy for hospital.*known: apology, hello, thanks"):
            self.CATALOG.find("aplogy", program="hospital", language="zh")

    def test_a_later_version_replaces_an_earlier_one(self) -> None:
        edited = Template("common/thanks", "zh", Purpose.REPLY, "", "多谢")
        catalog = Catalog.of([*self.CATALOG.templates.values(), edited])
        assert catalog.find("thanks", program="hospital", language="zh") is edited


class TestFiles:
    def test_a_file_becomes_a_template(self) -> None:
        source = "---\ntitle: 道歉\npurpose: reply\n---\n\n很抱歉。\n"
        template = parse_template("common/apology", "zh", source)
        assert (template.title, template.purpose, template.body) == ("道歉", Purpose.REPLY, "很抱歉。")

    def test_the_digest_follows_the_content_and_not_the_line_ends(self) -> None:
        source = "---\ntitle: 道歉\npurpose: reply\n---\n很抱歉。\n"
        one = parse_template("common/apology", "zh", source)
        assert one.digest == parse_template("common/apology", "zh", source.replace("\n", "\r\n")).digest
        assert one.digest != parse_template("common/apology", "zh", source.replace("很", "真")).digest

    @pytest.mark.parametrize(
        ("source", "line", "field", "remedy"),
        [
            ("很抱歉。", 1, "front", "Begin with ---"),
            ("---\n标题\n---\n很抱歉。", 2, "front", "Write title"),
            ("---\ntitle: a\npurpose: x: y\n---\n很抱歉。", 3, "front", "quotes"),
            ("---\ntitle: a\npurpose: advert\n---\n很抱歉。", 3, "purpose", "Choose one of greeting"),
            ("---\ntitle:\npurpose: reply\n---\n很抱歉。", 2, "title", "Write title"),
            ("---\ntitle: a\npurpose: reply\nauthor: b\n---\n很抱歉。", 4, "author", "Only title and purpose"),
            ("---\ntitle: a\npurpose: reply\n---\n", 4, "body", "Write its words"),
            ("---\ntitle: a\npurpose: reply\n---\n\n一\n{% for x in y %}", 7, "body", "A template may use"),
        ],
    )
    def test_a_bad_file_is_refused_with_file_line_field_and_remedy(
        self, source: str, line: int, field: str, remedy: str
    ) -> None:
        with pytest.raises(TemplateError) as caught:
            parse_template("common/apology", "zh", source)
        error = caught.value
        assert (error.file, error.line, error.field) == ("zh/common/apology.md", line, field)
        assert remedy in error.remedy


class TestSaving:
    def blocking(self, template: Template) -> list[Problem]:
        return [problem for problem in check_template(template) if problem.blocks]

    def test_every_unknown_placeholder_is_named_with_its_line(self) -> None:
        problems = check_template(a_template("{{ nam }}\n{{ phon }}"))
        assert [(problem.message, problem.line) for problem in problems] == [
            ("unknown variable nam", 1),
            ("unknown variable phon", 2),
        ]

    def test_a_program_may_bring_its_own_variables(self) -> None:
        mileage = Variable("mileage", {"zh": "里程"}, {"zh": 5000, "en": 5000}, required=True)
        assert check_template(a_template("已行驶{{ mileage }}公里"), [mileage]) == []
        assert check_template(a_template("{% if plate %}{{ plate }}{% endif %}您好"), ["plate"]) == []

    def test_what_liquid_allows_and_we_do_not_is_refused(self) -> None:
        (problem,) = check_template(a_template("{{ (1..50000000) | join }}"))
        assert problem.blocks
        assert problem.line == 1

    def test_an_unguarded_gap_is_found_before_a_customer_finds_it(self) -> None:
        (problem,) = self.blocking(a_template("您的{{ item }}已完成"))
        assert problem.message == "item is not known for every customer"
        assert "{% if item %}" in problem.remedy

    def test_empty_brackets_are_found(self) -> None:
        (problem,) = self.blocking(a_template("您好（{% if item %}{{ item }}{% endif %}）"))
        assert "（）" in problem.message
        assert "item is unknown" in problem.message

    @pytest.mark.parametrize("purpose", [Purpose.GREETING, Purpose.SURVEY, Purpose.SERVICE, Purpose.MARKETING])
    def test_a_message_says_who_writes(self, purpose: Purpose) -> None:
        body = "您好！回T退订"
        assert any("who writes" in problem.message for problem in self.blocking(a_template(body, purpose)))

    def test_an_answer_within_a_conversation_need_not(self) -> None:
        assert check_template(a_template("谢谢您！")) == []

    @pytest.mark.parametrize("word", ["保证", "一定解决", "根治"])
    def test_promises_nobody_can_keep_are_flagged(self, word: str) -> None:
        (problem,) = check_template(a_template(f"好的，\n我们{word}。"))
        assert problem.message.startswith(word)
        assert (problem.line, problem.blocks) == (2, False)

    def test_english_promises_are_whole_words(self) -> None:
        assert check_template(a_template("The procurement team thanks you.", language="en")) == []
        (problem,) = check_template(a_template("We GUARANTEE it.", language="en"))
        assert problem.message.startswith("guarantee")

    def test_the_list_of_words_is_data(self) -> None:
        (problem,) = check_template(a_template("亲，您好"), forbidden={"zh": ("亲，",)})
        assert problem.message.startswith("亲，")

    @pytest.mark.parametrize("offer", ["今日优惠！", "{{ coupon | default: '有礼' }}。", "A special offer!"])
    def test_a_survey_carries_no_promotion(self, offer: str) -> None:
        body = f"{{{{ company }}}}：{offer}\n{{{{ question }}}}\n回T退订"
        (problem,) = self.blocking(a_template(body, Purpose.SURVEY))
        assert "promotion" in problem.message
        assert "purpose marketing" in problem.remedy
        assert problem.line == 1

    def test_marketing_must_say_how_to_opt_out(self) -> None:
        (problem,) = self.blocking(a_template("{{ company }}想念您。", Purpose.MARKETING))
        assert problem.remedy == "End with 回T退订"

    def test_a_greeting_asks_nothing(self) -> None:
        (problem,) = self.blocking(a_template("{{ company }}祝您节日快乐！\n{{ question }}", Purpose.GREETING))
        assert "question" in problem.message
        assert problem.line == 2

    def test_a_long_message_is_flagged_and_an_endless_one_refused(self) -> None:
        (flagged,) = check_template(a_template("好" * 202))
        assert (flagged.message, flagged.blocks) == ("4 SMS segments; 3 are usual here", False)
        (refused,) = check_template(a_template("好" * 1601))
        assert refused.blocks

    def test_a_pasted_curly_quote_in_english_is_flagged(self) -> None:
        (problem,) = check_template(a_template("We’re sorry.", language="en"))
        assert problem.message.startswith("’")
        assert not problem.blocks

    def test_liquid_that_would_reach_the_customer_is_found(self) -> None:
        assert self.blocking(a_template("{% raw %}{{ company }}{% endraw %}"))


@pytest.mark.parametrize(
    "text",
    [
        "您好，。",
        "您好（）",
        "【】您好",
        "您 ，好",
        "Dear , hello",
        "None",
        "a  b",
        "，您好",
        "结果：",
        "{{ x }}",
        "「」",
        "好！，",
    ],
)
def test_untidy_finds_where_data_is_missing(text: str) -> None:
    assert untidy(text)


@pytest.mark.parametrize(
    "text", ["您好，张先生。", "See https://hf.example/s/x", "真的？！", "等……", "138****0000", "“好”。"]
)
def test_untidy_leaves_good_text_alone(text: str) -> None:
    assert untidy(text) is None


class TestWording:
    """How messages must begin and end (R102)."""

    BEGINS = ("{{ salutation | default: '尊敬的贵宾' }}您好",)
    ENDS = ("预约专线{{ company_phone }}，置业顾问{{ agent }}",)

    def problems(self, body: str) -> list[tuple[str, int | None]]:
        template = Template("real_estate/hello", "zh", Purpose.SERVICE, "t", body)
        return [(each.message, each.line) for each in check_wording(template, self.BEGINS, self.ENDS)]

    def test_a_text_with_both_is_good(self) -> None:
        assert self.problems(f"{self.BEGINS[0]}，{{{{ company }}}}开盘了。{self.ENDS[0]}") == []

    def test_what_is_missing_is_told_with_its_line(self) -> None:
        lacks = "it does not {} as the program requires"
        assert self.problems(f"{self.BEGINS[0]}\n开盘了。") == [(lacks.format("end"), 2)]
        assert self.problems(f"业主您好\n{self.ENDS[0]}") == [(lacks.format("begin"), 1)]

    def test_it_must_also_begin_so_when_no_name_is_known(self) -> None:
        (problem,) = self.problems(f"{{{{ salutation }}}}您好。{self.ENDS[0]}")
        assert "begin" in problem[0], "the house would say 尊敬的客户"

    def test_a_value_without_which_nothing_can_end_so_is_no_gap(self) -> None:
        signed = "{% if company_phone %}预约专线{{ company_phone }}，{% endif %}置业顾问{{ agent }}"
        body = f"{self.BEGINS[0]}。{signed}"
        assert self.problems(body) == []
