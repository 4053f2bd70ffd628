"""Template and variables become a text.

Templates are written in Liquid, the language marketers know from other tools, cut down to an allow-list: output of
a variable, if / unless / case, the filters default, upcase, truncate and our own date, and comments. python-liquid's
limits are not enough to make more of it safe: `{{ (1..50000000) | join }}` took 14 s and 3.9 GB with all of them set,
`{% when 1, 1, 1 %}` renders three times (nested, for years), and `now` reads the wall clock. So the parsed tree is
checked, node by node, before anything is rendered; what is not on the list is refused.

Nothing here reads the clock. Read next: `catalog.py`, the templates themselves.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import NoReturn, TypeVar

from liquid import BoundTemplate, Environment, Mode
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import BooleanExpression, Filter, FilteredExpression, Nil, Path, StringLiteral
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GeExpression,
    GtExpression,
    LeExpression,
    LogicalAndExpression,
    LogicalOrExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import FalseLiteral, FloatLiteral, IntegerLiteral, TrueLiteral
from liquid.builtin.filters.misc import default
from liquid.builtin.filters.string import truncate, upcase
from liquid.builtin.illegal import Illegal
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import CaseNode, CaseTag, MultiExpressionBlockNode, _AnyExpression
from liquid.builtin.tags.comment_tag import CommentNode, CommentTag
from liquid.builtin.tags.if_tag import IfNode, IfTag
from liquid.builtin.tags.inline_comment_tag import InlineCommentNode, InlineCommentTag
from liquid.builtin.tags.unless_tag import UnlessNode, UnlessTag
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.token import Token
from liquid.undefined import Undefined

T = TypeVar("T")
Texts = tuple[str, str]
Value = str | int | float | Decimal | date | datetime | None

LONGEST_BODY = 2000
"""Characters of a template; longer ones are refused unread, since parsing takes time quadratic in nonsense."""

MOST_EXPRESSIONS = 200
"""Variables, literals and comparisons of one template; bounds the depth of what is evaluated."""

ALLOWED = (
    "A template may use {{ variable }}, the filters default, upcase, truncate and date, "
    "{% if %}, {% unless %}, {% case %} and {% comment %}"
)


class TemplateError(ValueError):
    """A template that cannot be used: what is wrong, where, and what to do about it."""

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        file: str | None = None,
        line: int | None = None,
        field: str = "body",
    ) -> None:
        self.problem, self.remedy, self.file, self.line, self.field = problem, remedy, file, line, field
        place = ", ".join(part for part in (file, f"line {line}" if line else None, field) if part)
        super().__init__(f"{place}: {problem}. {remedy}.")

    def inside(self, file: str, lines_above: int) -> "TemplateError":
        """The same error, counted from the top of the file that holds the body."""
        line = None if self.line is None else self.line + lines_above
        return TemplateError(self.problem, remedy=self.remedy, file=file, line=line, field=self.field)


# ---------------------------------------------------------------------------------------------------- variables


@dataclass(frozen=True, slots=True)
class Variable:
    """A placeholder that marketers may use, as the editor shows it; texts are given per language.

    A `required` one is always supplied by the house: without it there is no message. Any other may be unknown for
    a customer (R101): it then reads as its fallback, or must stand inside `{% if %}` or have a `default`.
    """

    name: str
    meaning: Mapping[str, str]
    sample: Mapping[str, Value]
    fallback: Mapping[str, str] | None = None
    required: bool = False


_WALL = datetime(2026, 10, 10, 18, 0)  # noqa: DTZ001 - a sample on the wall, in whichever zone it is read
_PHONE = "400-000-0199"
_LINK = "https://hf.example/s/7Kq2mPzRwd"
_QUESTION = (
    "您对这次服务满意吗？请回复1-5，5为非常满意",
    "How satisfied are you with our service? Please reply 1-5, 5 is best",
)
_RESULT = ("已上门重新调试，费用全免", "our engineer came back and set it right, free of charge")

# name, meaning, sample, fallback if it may be missing; each in Chinese and in English
_TABLE: tuple[tuple[str, Texts, tuple[Value, Value], Texts | None], ...] = (
    (
        "salutation",
        ("对客户的称呼", "how we address the customer"),
        ("张先生", "Mr Zhang"),
        ("尊敬的客户", "Dear customer"),
    ),
    ("customer_name", ("客户姓名或单位", "the customer's name"), ("张建国", "Zhang Jianguo"), ("客户", "a customer")),
    ("company", ("本公司名称", "our company"), ("青禾商贸", "Qinghe Trading"), None),
    ("department", ("发信部门", "the sending department"), ("客服中心", "Customer Care"), None),
    ("agent", ("发信人", "the person who writes"), ("李娜", "Li Na"), ("客服专员", "our service team")),
    ("company_phone", ("本公司电话", "our phone number"), (_PHONE, _PHONE), None),
    ("survey_link", ("问卷网址", "link to the survey page"), (_LINK, _LINK), None),
    ("question", ("所问的问题，含评分说明", "the question asked, with its scale"), _QUESTION, None),
    ("scale_hint", ("评分说明", "how to answer"), ("请回复1-5", "Please reply 1-5"), None),
    ("result", ("投诉处理结果", "what was done about the complaint"), _RESULT, None),
    ("promised_at", ("约定的时间", "the time that was promised"), (_WALL, _WALL), None),
    ("expected_answer_at", ("最晚答复时间", "answer at the latest"), (_WALL, _WALL), None),
    ("due_at", ("办理期限", "when the ticket is due"), (_WALL, _WALL), None),
    ("festival", ("节日名称", "the festival"), ("中秋节", "Mid-Autumn Festival"), None),
    ("coupon", ("优惠券", "the coupon"), ("满200减30，券码HF30", "30 off 200, code HF30"), None),
    ("event_on", ("事件日期", "date of the event"), (_WALL.date(), _WALL.date()), None),
    ("item", ("事由：车辆、订单、科室等", "what it was about: a vehicle, an order"), ("智能台灯", "desk lamp"), None),
    ("ticket_id", ("工单编号", "the ticket"), ("T1024", "T1024"), None),
    ("staff_name", ("员工姓名", "the member of staff"), ("王强", "Wang Qiang"), None),
    ("person_name", ("联系人姓名", "the contact person there"), ("陈静", "Jing Chen"), None),
    ("customer_phone_masked", ("客户电话，部分隐藏", "the phone, masked"), ("138****0000", "138****0000"), None),
    ("reply_text", ("客户原话", "the customer's words"), ("不满意，修完又响", "Not happy, it rattles"), None),
    ("score_text", ("客户评分", "the customer's score"), ("2分", "2 of 5"), None),
    ("level", ("满意程度", "level of satisfaction"), ("不太满意", "not very satisfied"), None),
    ("time_left", ("距期限还有多久", "how long until it is due"), ("14小时", "14 hours"), None),
    ("time_over", ("超过期限多久", "for how long it has been overdue"), ("2小时", "2 hours"), None),
    ("closes_on", ("问卷截止日期", "last day of the survey"), (_WALL.date(), _WALL.date()), None),
    ("task_id", ("任务编号", "the task"), ("8", "8"), None),
    ("task_name", ("任务内容", "what is to be done"), ("上门回访", "Visit the customer"), None),
    ("sender", ("发送通道与号码", "the channel and number that messages leave by"), ("sms +15550001111",) * 2, None),
    ("reason", ("原因", "why"), ("connection refused",) * 2, None),
    ("count", ("数量", "how many"), (120, 120), None),
)
_REQUIRED = {"company", "question", "festival", "ticket_id", "task_id", "task_name", "sender", "reason", "count"}


def _by_language(pair: tuple[T, T]) -> dict[str, T]:
    return dict(zip(("zh", "en"), pair, strict=True))


VARIABLES: Mapping[str, Variable] = MappingProxyType(
    {
        name: Variable(
            name,
            _by_language(meaning),
            _by_language(sample),
            _by_language(fallback) if fallback else None,
            required=name in _REQUIRED,
        )
        for name, meaning, sample, fallback in _TABLE
    }
)
"""Every variable the house supplies, by name; programs may add their own."""


# ---------------------------------------------------------------------------------------------------- rendering


def render(body: str, variables: Mapping[str, Value], language: str, zone: tzinfo | None = None) -> str:
    """The text of a message; aware datetimes are told in `zone`, the customer's own.

    Missing values (None, blank) fall back as their Variable says, so that a customer never reads "None" or an empty
    bracket (R101). Raises TemplateError for an unknown variable, or for a missing one that has nothing to fall back on.
    """
    tree = parse(body)
    spoken = primary_language(language)
    values = {name: _prepare(name, line, variables, spoken, zone) for name, line in tree.names.items()}
    try:
        return tree.template.render(values).strip()
    except LiquidError as error:
        raise _translate(error) from error


def primary_language(language: str) -> str:
    """`zh-CN` and `zh_Hans` are `zh`."""
    return re.split("[-_]", language, maxsplit=1)[0].lower()


@dataclass(frozen=True, slots=True)
class Tree:
    """A body that passed the allow-list, and the variables it names with the line of their first use."""

    template: BoundTemplate
    names: Mapping[str, int]


@lru_cache(maxsize=1024)
def parse(body: str) -> Tree:
    """Parse and check a body once; raises TemplateError with the line and the remedy."""
    if len(body) > LONGEST_BODY:
        raise TemplateError(
            f"the text has {len(body)} characters, and {LONGEST_BODY} are the limit", remedy="Shorten it"
        )
    try:
        template = _ENVIRONMENT.from_string(body)
        return Tree(template, MappingProxyType(_check(template)))
    except LiquidError as error:
        raise _translate(error) from error
    except RecursionError as error:
        raise TemplateError("nested too deeply", remedy=ALLOWED) from error


class Missing(Undefined):
    """A known variable without a value: false in conditions, replaced by `default`, else read as its fallback."""

    __slots__ = ("language", "line")
    force_liquid_default = True

    def __init__(self, name: str, language: str, line: int) -> None:
        super().__init__(name)
        self.language, self.line = language, line

    def __str__(self) -> str:
        variable = VARIABLES.get(self.name)
        if variable and variable.fallback:
            return variable.fallback.get(self.language) or variable.fallback["en"]
        if variable and variable.required:
            raise TemplateError(
                f"{self.name} was not given, and this message is nothing without it",
                remedy=f"Supply {self.name} where the message is made",
                line=self.line,
            )
        raise TemplateError(
            f"{self.name} is not known for every customer",
            remedy=f"Put it between {{% if {self.name} %}} and {{% endif %}}, or give it a default: '...'",
            line=self.line,
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or an instant on the customer's wall, told in the customer's language."""

    at: date | datetime
    language: str

    def __str__(self) -> str:
        day, clock = _PLAIN.get(self.language, _PLAIN["en"])
        return self.told(day + clock if isinstance(self.at, datetime) else day)

    def told(self, pattern: str) -> str:
        return _DIRECTIVE.sub(lambda match: self._part(match.group()), pattern)

    def _part(self, directive: str) -> str:
        if directive == "%A":
            return _WEEKDAYS.get(self.language, _WEEKDAYS["en"])[self.at.weekday()]
        if directive == "%b":
            return _MONTHS[self.at.month - 1]
        hour, minute = (self.at.hour, self.at.minute) if isinstance(self.at, datetime) else (0, 0)
        match directive:
            case "%Y":
                return f"{self.at.year}"
            case "%m":
                return f"{self.at.month:02}"
            case "%-m":
                return f"{self.at.month}"
            case "%d":
                return f"{self.at.day:02}"
            case "%-d":
                return f"{self.at.day}"
            case "%H":
                return f"{hour:02}"
            case "%-H":
                return f"{hour}"
            case _:
                return f"{minute:02}"


# The standard strftime would speak the language of the machine, not of the customer.
_DIRECTIVES = ("%Y", "%m", "%-m", "%d", "%-d", "%H", "%-H", "%M", "%A", "%b")
_DIRECTIVE = re.compile("|".join(_DIRECTIVES))
_PLAIN = {"zh": ("%-m月%-d日", "%H:%M"), "en": ("%-d %b", " %H:%M")}
_WEEKDAYS = {
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _prepare(name: str, line: int, variables: Mapping[str, Value], language: str, zone: tzinfo | None) -> object:
    if name not in variables and name not in VARIABLES:
        raise unknown_variable(name, line, {*VARIABLES, *variables})
    value = variables.get(name)
    match value:
        case str():
            return value.strip() or Missing(name, language, line)
        case None:
            return Missing(name, language, line)
        case datetime() if zone and value.tzinfo:
            return Moment(value.astimezone(zone), language)
        case date():
            return Moment(value, language)
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def unknown_variable(name: str, line: int, known: set[str]) -> TemplateError:
    """The error for a placeholder that nobody fills, naming the one that was probably meant (R100)."""
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return TemplateError(
        f"unknown variable {name}", remedy=f"{meant}Known variables: {', '.join(sorted(known))}", line=line
    )


def _date(value: object, pattern: str = "") -> str:
    """Our `date` filter: tells a date that was given, and reads no clock."""
    if isinstance(value, Missing):
        return str(value)
    if not isinstance(value, Moment):
        raise TypeError("not a date")
    return value.told(pattern) if pattern else str(value)


# ---------------------------------------------------------------------------------------------------- allow-list


class _StrictIf(IfTag):
    mode = Mode.STRICT  # the tag's own lax mode drops what follows a second else, without a word


class _StrictUnless(UnlessTag):
    mode = Mode.STRICT


class _AllowList(Environment):
    """Liquid with the few tags and filters that templates may use; everything else is an unknown word."""

    block_nesting_limit = 8

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        for tag in (Literal, Output, Illegal, _StrictIf, _StrictUnless, CaseTag, CommentTag, InlineCommentTag):
            self.add_tag(tag)
        self.filters.update({"default": default, "upcase": upcase, "truncate": truncate, "date": _date})


_ENVIRONMENT = _AllowList(tolerance=Mode.STRICT)

_NODES = {
    *(ContentNode, OutputNode, CommentNode, InlineCommentNode, BlockNode),
    *(IfNode, UnlessNode, CaseNode, ConditionalBlockNode, MultiExpressionBlockNode),
}
_LITERALS = {StringLiteral, IntegerLiteral, FloatLiteral, TrueLiteral, FalseLiteral, Nil}
_EXPRESSIONS = {
    *(Path, FilteredExpression, BooleanExpression, LogicalAndExpression, LogicalOrExpression, _AnyExpression),
    *(EqExpression, NeExpression, LtExpression, LeExpression, GtExpression, GeExpression, ContainsExpression),
    *_LITERALS,
}
_ARGUMENTS = {"default": (1, 1), "upcase": (0, 0), "truncate": (0, 2), "date": (0, 1)}


def _check(template: BoundTemplate) -> dict[str, int]:
    """Walk the whole tree without recursion; answer each variable with the line of its first use."""
    expressions: list[Expression] = []
    nodes: list[Node] = list(template.nodes)
    # The nodes we allow look into no context when asked for their children; a partial would.
    context = template.context_class(template)
    while nodes:
        node = nodes.pop()
        if type(node) not in _NODES:
            _refuse(f"{type(node).__name__} is not allowed", node.token)
        if isinstance(node, CaseNode):
            _check_case(node)
        expressions.extend(node.expressions())
        nodes.extend(node.children(context))
    names: dict[str, int] = {}
    for name, line in sorted(_check_expressions(expressions), key=itemgetter(1)):
        names.setdefault(name, line)
    return names


def _check_expressions(expressions: list[Expression]) -> Iterator[tuple[str, int]]:
    seen = 0
    while expressions:
        expression = expressions.pop()
        seen += 1
        if type(expression) not in _EXPRESSIONS:
            _refuse(f"{expression} is not allowed", expression.token)
        if seen > MOST_EXPRESSIONS:
            _refuse(f"more than {MOST_EXPRESSIONS} variables and conditions", expression.token)
        if isinstance(expression, FilteredExpression):
            _check_output(expression)
        if isinstance(expression, Path):
            yield _name(expression), _line(expression.token)
        else:
            expressions.extend(expression.children())


def _check_output(output: FilteredExpression) -> None:
    if not isinstance(output.left, Path):
        _refuse(f"{{{{ {output.left} }}}} is no variable; write the words themselves", output.left.token)
    for filter_ in output.filters or ():
        _check_filter(filter_)


def _check_filter(filter_: Filter) -> None:
    if filter_.name not in _ARGUMENTS:
        _refuse(f"unknown filter {filter_.name}", filter_.token)
    fewest, most = _ARGUMENTS[filter_.name]
    if not fewest <= len(filter_.args) <= most or any(hasattr(argument, "name") for argument in filter_.args):
        count = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        _refuse(f"the filter {filter_.name} takes {count} plain values after a colon", filter_.token)
    values = [argument.value for argument in filter_.args]
    if filter_.name == "date" and values and not _is_date_pattern(values[0]):
        _refuse(f"date knows only the patterns {' '.join(_DIRECTIVES)}, in quotes", filter_.token)
    if filter_.name == "truncate" and not all(
        type(value) is kind for value, kind in zip(values, (IntegerLiteral, StringLiteral), strict=False)
    ):
        _refuse("truncate takes a number of characters, and an ending in quotes", filter_.token)


def _is_date_pattern(value: Expression) -> bool:
    return isinstance(value, StringLiteral) and "%" not in _DIRECTIVE.sub("", value.value)


def _check_case(case: CaseNode) -> None:
    """At most one branch may match: Liquid renders a branch once for each match, and nested repeats never end."""
    seen: set[object] = set()
    for block in case.blocks:
        for choice in block.expression.expressions if isinstance(block, MultiExpressionBlockNode) else ():
            if not isinstance(choice, StringLiteral | IntegerLiteral):
                _refuse("{% when %} takes words in quotes or whole numbers", choice.token)
            if choice.value in seen:
                _refuse(f"{{% when %}} names {choice.value!r} twice", choice.token)
            seen.add(choice.value)


def _name(path: Path) -> str:
    name = path.head()
    if len(path.path) > 1 or not isinstance(name, str):
        _refuse(f"{path} looks inside a variable", path.token)
    return name


def _refuse(problem: str, token: Token) -> NoReturn:
    raise TemplateError(problem, remedy=ALLOWED, line=_line(token))


def _translate(error: LiquidError) -> TemplateError:
    line = None if error.token is None or error.token.start_index < 0 else _line(error.token)
    return TemplateError(str(error.message), remedy=ALLOWED, line=line)


def _line(token: Token) -> int:
    return token.source.count("\n", 0, token.start_index) + 1
