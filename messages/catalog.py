"""The templates that marketers edit: what one is, where the shipped ones lie, which one a program gets, and the
checks made when one is saved.

A template is a file `text/<language>/<group>/<name>.md`: a front matter with `title` and `purpose`, then the words
of the message. Holds no state; the runtime builds its own Catalog from its rows. Read next: `render.py`.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import combinations

import yaml

from messages.render import (
    VARIABLES,
    TemplateError,
    Value,
    Variable,
    parse,
    primary_language,
    render,
    unknown_variable,
)
from messages.sms import culprits, measure

__all__ = [
    "FORBIDDEN_WORDS",
    "VARIABLES",
    "Catalog",
    "Problem",
    "Purpose",
    "Template",
    "TemplateError",
    "Variable",
    "check_template",
    "check_wording",
    "parse_template",
    "sample_values",
    "shipped",
    "untidy",
]

LANGUAGES = ("zh", "en")
"""Languages in which every shipped template exists, in the order of last resort."""


class Purpose(StrEnum):
    """Why a message is sent; it decides quiet hours, caps, and the consent that is needed."""

    GREETING = "greeting"
    MARKETING = "marketing"
    SURVEY = "survey"
    SERVICE = "service"
    REPLY = "reply"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Template:
    """One message in one language; `key` is `<group>/<name>`, as in `common/apology`.

    `digest` names this very content: another word, another digest, another version.
    """

    key: str
    language: str
    purpose: Purpose
    title: str
    body: str
    lines_above: int = field(default=0, compare=False)
    """Lines of its file before the body."""
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        content = "\0".join((self.key, self.language, self.purpose, self.title, self.body))
        object.__setattr__(self, "digest", hashlib.sha256(content.encode()).hexdigest())


# ---------------------------------------------------------------------------------------------------- reading files

_FILE = re.compile(r"---\n(?P<front>.*?\n)---\n(?P<body>.*)", re.DOTALL)
_FIELDS = {"title", "purpose"}


def parse_template(key: str, language: str, source: str) -> Template:
    """Read a template file; raises TemplateError naming file, line, field and remedy."""
    file = f"{language}/{key}.md"
    text = source.removeprefix("\ufeff").replace("\r\n", "\n")
    parts = _FILE.fullmatch(text)
    if not parts:
        raise TemplateError(
            "no front matter", remedy="Begin with ---, title: ..., purpose: ..., ---", file=file, line=1, field="front"
        )
    front = _front_matter(file, parts["front"])
    body = parts["body"].strip()
    lines_above = text[: parts.start("body")].count("\n") + _blank_lines(parts["body"])
    try:
        parse(body)
    except TemplateError as error:
        raise error.inside(file, lines_above) from error
    if not body:
        raise TemplateError("the message is empty", remedy="Write its words below the ---", file=file, line=lines_above)
    return Template(key, language, Purpose(front["purpose"]), front["title"], body, lines_above)


def _front_matter(file: str, text: str) -> dict[str, str]:
    def fail(problem: str, remedy: str, line: int, name: str) -> TemplateError:
        return TemplateError(problem, remedy=remedy, file=file, line=line, field=name)

    def line_of(name: str) -> int:
        return next((n for n, line in enumerate(text.splitlines(), start=2) if line.startswith(f"{name}:")), 1)

    try:
        front = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise fail(f"not YAML: {error.problem}", "Put the value in quotes", line, "front") from error
    if not isinstance(front, dict):
        raise fail("no fields", "Write title: ... and purpose: ...", 2, "front")
    for name in front:
        if name not in _FIELDS:
            raise fail(f"unknown field {name}", "Only title and purpose belong here", line_of(str(name)), str(name))
    for name in sorted(_FIELDS):
        if not isinstance(front.get(name), str) or not front[name].strip():
            raise fail(f"{name} is missing", f"Write {name}: ... as a text", line_of(name), name)
    if front["purpose"] not in list(Purpose):
        raise fail(
            f"unknown purpose {front['purpose']}", f"Choose one of {', '.join(Purpose)}", line_of("purpose"), "purpose"
        )
    return front


def _blank_lines(body: str) -> int:
    return body[: len(body) - len(body.lstrip())].count("\n")


@cache
def shipped() -> tuple[Template, ...]:
    """Every template of the package, by language and key."""
    root = resources.files("messages") / "text"
    return tuple(
        parse_template(key, folder.name, _text_of(file, f"{folder.name}/{key}.md"))
        for folder in sorted(root.iterdir(), key=lambda each: each.name)
        if folder.is_dir()
        for key, file in _files(folder)
    )


def _text_of(file: Traversable, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TemplateError("not UTF-8 text", remedy="Save the file as UTF-8", file=name, field="file") from error


def _files(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(".md"):
            yield above + entry.name.removesuffix(".md"), entry


# ---------------------------------------------------------------------------------------------------- choosing


@dataclass(frozen=True, slots=True)
class Catalog:
    """The templates in force, one per key and language."""

    templates: Mapping[tuple[str, str], Template]

    @classmethod
    def of(cls, templates: Iterable[Template]) -> "Catalog":
        """A later template replaces an earlier one of the same key and language."""
        return cls({(template.key, template.language): template for template in templates})

    def find(self, name: str, *, program: str, language: str, default_language: str = "zh") -> Template:
        """The template a program means by a name.

        The customer's language is tried first, then the program's, Chinese, English; in each `<program>/<name>`
        comes before `common/<name>`: a common message one can read beats a special one one cannot.
        """
        for spoken in dict.fromkeys((primary_language(language), primary_language(default_language), *LANGUAGES)):
            for key in (f"{program}/{name}", f"common/{name}"):
                if template := self.templates.get((key, spoken)):
                    return template
        raise TemplateError(
            f"no template {name} for {program}",
            remedy=f"Write {program}/{name} or common/{name}; known: {', '.join(self.names(program))}",
            field="template",
        )

    def names(self, program: str) -> list[str]:
        """What a program can ask for, its own and the common ones."""
        keys = (key.partition("/") for key, _ in self.templates)
        return sorted({name for group, _, name in keys if group in (program, "common")})


# ---------------------------------------------------------------------------------------------------- checking

FORBIDDEN_WORDS: Mapping[str, tuple[str, ...]] = {
    "zh": (
        "保证",
        "一定解决",
        "肯定解决",
        "绝对",
        "百分之百",
        "100%",
        "包治",
        "根治",
        "治愈",
        "药到病除",
        "无副作用",
        "最好的",
    ),
    "en": ("guarantee", "guaranteed", "definitely", "certainly solve", "100%", "cure", "cures", "no side effects"),
}
"""Promises nobody can keep, and medical claims (R107)."""

PROMOTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "zh": ("优惠", "折扣", "打折", "促销", "特价", "抢购", "满减", "秒杀", "红包", "限时", "新品上市"),
    "en": ("discount", "coupon", "voucher", "% off", "promo", "promotion", "special offer", "on sale", "flash sale"),
}
"""Words that make an advertisement of a message (R109); they find {{ coupon }} too."""

OPT_OUT_HINTS = ("退订", "拒收", "STOP")

MOST_SEGMENTS = {
    Purpose.GREETING: 2,
    Purpose.MARKETING: 2,
    Purpose.SURVEY: 2,
    Purpose.SERVICE: 3,
    Purpose.REPLY: 3,
    Purpose.STAFF: 4,
}
"""Each segment is paid for, and a survey that must be scrolled is not answered."""

MOST_CHARACTERS = 1600
"""What a provider takes as one SMS."""

SAMPLE_ITEMS: Mapping[str, Mapping[str, str]] = {
    "hospital": {"zh": "呼吸内科", "en": "Respiratory Medicine"},
    "auto_repair": {"zh": "沪A·D0000", "en": "Passat D0000"},
    "retail_aftersales": {"zh": "智能台灯", "en": "desk lamp"},
}
"""What a preview shows for {{ item }} in each program."""

_MOST_COMBINED = 6
"""Optional variables tried in every combination of known and missing; with more, all, none and each one alone."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding about a template; `blocks` says that it cannot be saved so, else it is a warning."""

    message: str
    remedy: str
    line: int | None = None
    blocks: bool = True


def check_template(
    template: Template,
    extra_variables: Iterable[Variable | str] = (),
    *,
    forbidden: Mapping[str, Sequence[str]] = FORBIDDEN_WORDS,
) -> list[Problem]:
    """All that is wrong with a template, as it is found on saving (R100, R101, R107, R109, R111, R44).

    `extra_variables` are the program's own; one given by its name alone is a text that may be missing.
    """
    known = {**VARIABLES, **{extra.name: extra for extra in map(_as_variable, extra_variables)}}
    try:
        used = parse(template.body).names
    except TemplateError as error:
        return [_problem(error)]
    if unknown := [unknown_variable(name, line, set(known)) for name, line in used.items() if name not in known]:
        return [_problem(error) for error in unknown]
    return [
        *_check_purpose(template, used),
        *_check_words(template, forbidden),
        *_check_renderings(template, [known[name] for name in used]),
    ]


def check_wording(
    template: Template, begins: Sequence[str], ends: Sequence[str], extra_variables: Iterable[Variable | str] = ()
) -> list[Problem]:
    """What a template lacks of required openings and endings: one of each, where there are any (R102).

    They are written like templates, and filled in with the same values: everything known, then with gaps.
    """
    known = {**VARIABLES, **{extra.name: extra for extra in map(_as_variable, extra_variables)}}
    last = template.body.count("\n") + 1
    required = (("begin", begins, str.startswith, 1), ("end", ends, str.endswith, last))
    return [
        Problem(f"it does not {verb} as the program requires", f"Let it {verb} with {' or with '.join(bodies)}", line)
        for verb, bodies, fits, line in required
        if bodies and not _always(template, bodies, fits, known)
    ]


def _always(
    template: Template,
    bodies: Sequence[str],
    fits: Callable[[str, str], bool],
    known: Mapping[str, Variable],
) -> bool:
    """Does one of the bodies fit the template's text in every mixture of known and missing values?"""
    used = [known[name] for body in bodies for name in parse(body).names]
    samples = sample_values(template.language, extra_variables=known.values())
    for missing in _mixtures(list(dict.fromkeys(each.name for each in used if not each.required))):
        values = {**samples, **dict.fromkeys(missing)}
        text = _rendered(template.body, values, template.language)
        wanted = [_rendered(body, values, template.language) for body in bodies]
        if text is not None and any(wanted) and not any(each and fits(text, each) for each in wanted):
            return False
    return True


def _rendered(body: str, values: Mapping[str, Value], language: str) -> str | None:
    """The text with these values; None where it cannot be made of them."""
    try:
        return render(body, values, language)
    except TemplateError:
        return None


def sample_values(
    language: str, *, program: str = "", extra_variables: Iterable[Variable | str] = ()
) -> dict[str, Value]:
    """A full set of values for a preview, with the things that a program's customers talk about."""
    variables = {**VARIABLES, **{extra.name: extra for extra in map(_as_variable, extra_variables)}}
    values = {name: _sample(variable, language) for name, variable in variables.items()}
    if items := SAMPLE_ITEMS.get(program):
        values["item"] = items.get(primary_language(language), items["en"])
    return values


def untidy(text: str) -> str | None:
    """The place where missing data shows through a message: empty brackets, doubled spaces, loose punctuation."""
    found = _UNTIDY.search(text)
    return found.group().strip("\n") or found.group() if found else None


_UNTIDY = re.compile(
    r"[(（【\[「“][ ]*[)）】\]」”]"  # empty brackets
    r"|\bNone\b|\{\{|\{%"  # Python or Liquid showing
    r"|[ ]{2,}|[ ]$|^[ ]|\n{3,}"  # gaps
    r"|[ ][,.;:!?，。；：！？、]"  # a word is missing before the mark
    r"|[，、：；,;:][，。、：；！？,.;:!?]|[。！？!?][，。、：；,;:]|。。"  # a word is missing between marks
    r"|^[，。、：；！？,.;:!?)）]|[，、：；,;:(（]\Z",  # a line begins, or the text ends, with nothing
    re.MULTILINE,
)


def _as_variable(extra: Variable | str) -> Variable:
    if isinstance(extra, Variable):
        return extra
    return Variable(extra, dict.fromkeys(LANGUAGES, extra), dict.fromkeys(LANGUAGES, extra))


def _sample(variable: Variable, language: str) -> Value:
    return variable.sample.get(primary_language(language), variable.sample["en"])


def _problem(error: TemplateError) -> Problem:
    return Problem(error.problem, error.remedy, error.line)


def _check_purpose(template: Template, used: Mapping[str, int]) -> Iterator[Problem]:
    purpose = template.purpose
    if purpose not in (Purpose.REPLY, Purpose.STAFF) and "company" not in used:
        yield Problem("the reader cannot tell who writes", "Put {{ company }} into the text")
    if purpose is Purpose.SURVEY and "question" not in used:
        yield Problem("this survey asks nothing", "Put {{ question }} into the text", blocks=False)
    if purpose in (Purpose.SURVEY, Purpose.MARKETING) and not any(hint in template.body for hint in OPT_OUT_HINTS):
        hint = "回T退订" if template.language == "zh" else "Reply STOP to opt out"
        yield Problem("it does not say how to opt out", f"End with {hint}", blocks=purpose is Purpose.MARKETING)
    if purpose is Purpose.GREETING:
        for name in sorted({"question", "survey_link", "scale_hint"} & used.keys()):
            yield Problem(f"a greeting asks nothing, and {name} does", "Make it a survey, or leave it out", used[name])


def _check_words(template: Template, forbidden: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    for word, line in _words_found(template.body, forbidden):
        yield Problem(f"{word} is a promise or a claim that may not hold", "Say what will be done", line, blocks=False)
    if template.purpose is Purpose.SURVEY:
        for word, line in _words_found(template.body, PROMOTION_WORDS):
            yield Problem(
                f"{word} is promotion, and a survey carries none",
                "Leave it out, or give the template the purpose marketing, which needs the customer's consent",
                line,
            )


def _words_found(body: str, words: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Words of every language, since a Chinese message may hold English; Latin ones only as whole words."""
    for word in dict.fromkeys(word for spoken in words.values() for word in spoken):
        bounded = rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])" if word.isascii() else re.escape(word)
        if found := re.search(bounded, body, re.IGNORECASE):
            yield word, body.count("\n", 0, found.start()) + 1


def _check_renderings(template: Template, used: Sequence[Variable]) -> Iterator[Problem]:
    """Render with every mixture of known and missing data; the fullest text is measured."""
    language = template.language
    samples = sample_values(language, program=template.key.partition("/")[0], extra_variables=used)
    found: dict[str, Problem] = {}  # one finding for each place, the one with the fewest gaps
    for missing in _mixtures([variable.name for variable in used if not variable.required]):
        try:
            text = render(template.body, {**samples, **dict.fromkeys(missing)}, language)
        except TemplateError as error:
            found.setdefault(error.problem, _problem(error))
            continue
        if place := untidy(text):
            gap = f" when {', '.join(missing)} is unknown" if missing else ""
            message = f"the text reads badly near {place!r}{gap}"
            found.setdefault(place, Problem(message, "Put the words around it into {% if %}"))
        if not missing:
            yield from _check_length(template, text)
    yield from found.values()


def _mixtures(optional: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Which variables are missing, nothing missing first."""
    if len(optional) <= _MOST_COMBINED:
        for gaps in range(len(optional) + 1):
            yield from combinations(optional, gaps)
        return
    yield ()
    yield tuple(optional)
    for name in optional:
        yield (name,)
        yield tuple(other for other in optional if other != name)


def _check_length(template: Template, text: str) -> Iterator[Problem]:
    size = measure(text)
    most = MOST_SEGMENTS[template.purpose]
    if len(text) > MOST_CHARACTERS:
        yield Problem(f"{len(text)} characters, and an SMS ends at {MOST_CHARACTERS}", "Shorten it")
    elif size.segments > most:
        yield Problem(f"{size.segments} SMS segments; {most} are usual here", "Shorten it", blocks=False)
    if template.language == "en" and (dear := culprits(text)):
        yield Problem(
            f"{' '.join(dear)} makes every segment 70 characters instead of 160", "Write it plainly", blocks=False
        )
