"""How many replies are read in a second, by words and rules alone and with the model, on one core."""

import json
from collections.abc import Iterator, Sequence
from importlib import resources

from bot.bench.hostile import slowest_hostile
from bot.bench.measure import peak_megabytes, processor_seconds
from messages.reading import Question, Scale, read

Asked = tuple[str, Question]

ORDINARY = (
    *("5", "4", "5", "3分", "５", "五", "5分", "2", "4", "9/10", "5!"),
    *("满意", "非常满意", "very satisfied", "还行", "Good"),
    *("5 服务很好", "4, quick and friendly", "2 等太久了", "师傅很专业，谢谢"),
)
"""Twenty replies as a day brings them: most are a number or a word, few a sentence."""


def bench_reading(size: int = 0) -> Iterator[str]:
    """Lines of figures for `size` readings (default 10,000) of ordinary replies, then of the demonstration's labelled
    ones, where every reply is another difficulty; last the slowest of as many texts that mean harm."""
    size = size or 10_000
    five = Question(Scale.FIVE)
    for told, asked in (("ordinary", [(text, five) for text in ORDINARY]), ("difficult", _labelled())):
        yield f"reading {len(asked)} {told} replies by turns, {size:,} readings"
        yield f"  words and rules: {_rate(asked, size, with_model=False):,.0f}/s"
        yield f"  with the model: {_rate(asked, size, with_model=True):,.0f}/s"
    yield f"  peak {peak_megabytes():.0f} MB; promise: 20,000/s by words and rules, 4,000/s with the model"
    yield from slowest_hostile(size)


def _labelled() -> list[Asked]:
    text = resources.files("bot.town").joinpath("data", "replies.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return [
        (
            row["text"],
            Question(Scale(row["question_scale"]), language=row["lang"], n_questions=row.get("n_questions", 1)),
        )
        for row in rows
    ]


def _rate(asked: Sequence[Asked], size: int, *, with_model: bool) -> float:
    """Readings in a second of processor time, the first time through left aside."""
    for reply, question in asked:
        read(reply, question, with_model=with_model)
    begun = processor_seconds()
    for number in range(size):
        reply, question = asked[number % len(asked)]
        read(reply, question, with_model=with_model)
    return size / (processor_seconds() - begun)
