"""What a numeral is worth: 5, 五, 八十五, 三点五, five. Nothing here knows whether it is a rating."""

from functools import cache

from messages.reading.lexicon import load, words_of

_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾", "一二三四五六七八九十")  # as on a cheque
HAN = "零一二两三四五六七八九十百壹贰叁肆伍陆柒捌玖拾"


def worth(text: str) -> float | None:
    """The value of one numeral in digits, Chinese or English, or None."""
    if text[:1].isdigit() or text[:1] in "-.":
        try:
            return float(text)
        except ValueError:
            return None
    english = _english().get(text)
    return _han(text) if english is None else float(english)


@cache
def _english() -> dict[str, int]:
    pairs = (word.split(":") for word in words_of(load("en")["numbers"]["numbers"]))
    return {name: int(value) for name, value in pairs}


def _han(text: str) -> float | None:
    """八十五 -> 85, 两 -> 2, 三点五 -> 3.5; 七八 is None, for it is a range."""
    whole, _, part = text.translate(_FORMAL).partition("点")
    if part:
        head = _han(whole)
        return None if head is None or part not in _DIGITS else head + _DIGITS[part] / 10
    if whole in {"百", "一百"}:
        return 100.0
    tens, ten, ones = whole.partition("十")
    if not ten:
        return float(_DIGITS[whole]) if whole in _DIGITS else None
    if len(tens) > 1 or len(ones) > 1 or any(sign not in _DIGITS for sign in tens + ones):
        return None
    return float((_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[ones] if ones else 0))
