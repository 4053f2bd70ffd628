"""Texts that nobody sends by accident: ten kilobytes of one thing, half a surrogate pair, marks upon marks, soup.

They are made from a seed, the same each time. `huifang bench reading` tells the slowest; tests hold that none raises.
"""

import heapq
import random
from collections.abc import Iterator, Mapping

from bot.bench.measure import processor_seconds
from messages.reading import Question, Scale, read

LONG: Mapping[str, str] = {
    "one letter": "a" * 10_000,
    "one number": "5" * 10_000,
    "numbers": "5 " * 5_000,
    "satisfied": "满意" * 5_000,
    "not": "不" * 10_000,
    "not in English": "not very " * 1_100,
    "can I": "can i " * 1_700,
    "please stop": "please stop " * 800,
    "how what": "how what when why is it so " * 380,
    "quotes": "'" * 10_000,
    "commas": "," * 10_000,
    "marks on marks": "e" + "\u0301\u0323" * 5_000,
    "bidi": "\u202e\u2066" * 5_000,
    "zero width": "s\u200bt\u200co\u200dp\ufeff" * 1_250,
    "surrogates": "\ud83d" * 10_000,
    "ligatures that grow": "\ufdfa" * 10_000,
    "emoji": "👍🏽" * 3_000,
    "stars": "⭐" * 10_000,
    "slashes": "1/" * 5_000,
    "dashes": "1-" * 5_000,
    "blanks": " \t\u3000" * 3_300,
    "lines": "5\n" * 5_000,
    "numerals": "一二三" * 3_300,
    "wait": "waited for over an hour and still not " * 260,
    "again and again": "别再给我" * 2_500,
    "did not": "didnt ever even actually yet really " * 280,
    "thanks": "谢谢你们" * 2_500,
    "one thanks after another": f"5{'谢' * 30}你们，{'谢谢' * 40}猫",
    "fine": "好的" * 100 + "猫",
    "can only": "总分10分我" + "只能" * 100 + "猫",
}
"""What rules would trip over that try to match from every place in a text."""

_WORDS = """满意 不 很 5 10 分 /10 stop 退订 别 发 👍 ⭐ 非常 call me help ? 五 十 星 1. 2. - 满分 not very satisfied
应该是 打错了 火 smoke １ ⑤ 好 差 % , 。 呵呵 yes 是 5\ufe0f\u20e3 \u202e \u200b \ufeff \u0301 \ud83d
等了 天 没人 please wait"""


def hostile_texts(size: int, seed: int = 1) -> Iterator[str]:
    """The long ones, then by turns characters of all Unicode and words of the field in any order, up to 10 kB."""
    dice = random.Random(seed)  # noqa: S311 - chooses texts, keeps no secret
    yield from list(LONG.values())[:size]
    for number in range(size - len(LONG)):
        length = dice.choice((5, 50, 400, 2_000))
        if number % 2:
            yield "".join(chr(dice.randrange(0x110000)) for _ in range(length))
        else:
            yield dice.choice(("", " ")).join(dice.choices(_WORDS.split(), k=length))


def slowest_hostile(size: int) -> Iterator[str]:
    """A line of figures for `size` hostile texts, in processor time. The slowest are read again, and the best of five
    counts: what the machine did meanwhile is no cost of the text."""
    question = Question(Scale.FIVE)
    spent = [(_seconds(text, question), text) for text in hostile_texts(size)]
    again = [min(_seconds(text, question) for _ in range(5)) for _, text in heapq.nlargest(50, spent)]
    slowest, mean = max(again) * 1000, sum(once for once, _ in spent) / size * 1000
    yield f"  slowest of {size:,} hostile texts: {slowest:.1f} ms, on average {mean:.2f} ms; promise: 5 ms"


def _seconds(text: str, question: Question) -> float:
    begun = processor_seconds()
    read(text, question)
    return processor_seconds() - begun
