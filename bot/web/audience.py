"""An audience in words, for people who ask why a message does not reach a customer."""

from bot.words import Words
from flows.audience import All, AnyOf, Compare, Day, Holds, Not, Predicate, Within


def in_words(predicate: Predicate, words: Words) -> str:
    """`not class == 'lost'` -> "not (class is lost)"."""
    match predicate:
        case All(parts):
            return words("audience.and").join(in_words(part, words) for part in parts) or words("audience.all")
        case AnyOf(parts):
            return words("audience.or").join(in_words(part, words) for part in parts)
        case Not(Compare(field, "==", value)):
            return _compare(words, field, "!=", value)
        case Not(part):
            return words("audience.not", part=in_words(part, words))
        case Holds(field):
            return words.name("field", field)
        case Within(field, values):
            named = words("time.list").join(_value(words, field, value) for value in values)
            return words("audience.in", field=words.name("field", field), values=named)
        case Compare(field, op, value):
            return _compare(words, field, op, value)


def _compare(words: Words, field: str, op: str, value: object) -> str:
    return words(f"audience.{op}", field=words.name("field", field), value=_value(words, field, value))


def _value(words: Words, field: str, value: object) -> str:
    if isinstance(value, Day):
        return words("audience.today")
    if isinstance(value, bool):
        return words("survey.yes" if value else "survey.no")
    return words.name("class", str(value)) if field == "class" else str(value)
