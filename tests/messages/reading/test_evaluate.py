"""`huifang evaluate`: a table for each kind of file, every miss with its reasons, wrong files told in words."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from messages.reading import Intent, Question, Reading
from messages.reading.evaluate import parse_phrases, read_messages, read_phrases, read_replies, sentiment_f1
from tests.messages.reading.cases import HERE


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def cells(self, first: str) -> list[str]:
        """The cells of the line that begins with these words."""
        [line] = [line for line in self.out.splitlines() if line.startswith(f"{first} ")]
        return line.removeprefix(first).split()


Evaluate = Callable[..., Done]


@pytest.fixture
def evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Run `huifang evaluate` on the given lines (a file each), with the given options."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*files: str | Path, options: tuple[str, ...] = ()) -> Done:
        paths = []
        for number, content in enumerate(files):
            path = content if isinstance(content, Path) else tmp_path / f"file{number}"
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            paths.append(str(path))
        monkeypatch.setattr(sys, "argv", ["huifang", "evaluate", *paths, *options])
        code = 0
        try:
            cli.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Done(code, told.out, told.err)

    return run


def lines(*rows: dict[str, Any]) -> str:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def reply(text: str, intent: str, score: float | None = None, **others: Any) -> dict[str, Any]:
    expect = {"intent": intent, "score": score, "category": None}
    return {"text": text, "lang": "zh", "question_scale": "1-5", "expect": expect, "tag": "digit"} | others


# ----- labelled replies


def test_the_labelled_replies_of_the_project_are_measured(evaluate: Evaluate) -> None:
    done = evaluate(HERE / "replies.jsonl")

    assert (done.code, done.out.splitlines()[0]) == (0, "replies")
    assert done.cells("digit zh") == ["14", "100.0%", "100.0%", "100.0%", "100.0%"]
    assert done.cells("replies") == ["151"]
    assert done.cells("dissatisfied read as satisfied") == ["0"]


def test_a_miss_is_counted_in_its_tag_shown_among_the_confused_and_told_with_its_reasons(evaluate: Evaluate) -> None:
    done = evaluate(lines(reply("5分", "score", 5), reply("退订", "comment")), options=("--misses",))

    assert done.cells("digit zh") == ["2", "50.0%", "100.0%", "50.0%", "100.0%"]
    assert done.cells("comment -> opt_out") == ["1"]
    assert done.cells("false opt-outs") == ["1"]
    assert "intent: '退订' on 1-5: want intent comment; got opt_out (keyword 退订)" in done.out


def test_without_being_asked_misses_are_not_listed(evaluate: Evaluate) -> None:
    assert "keyword" not in evaluate(lines(reply("退订", "comment"))).out


def always(**values: Any) -> Callable[[str, Question], Reading]:
    """A reader that reads everything the same."""
    return lambda text, question: Reading(**values)


def test_a_dissatisfied_reply_read_as_satisfied_is_counted_unless_a_person_looks() -> None:
    row = reply("1", "score", 1)

    flattering = always(intent=Intent.SCORE, score=5)
    doubtful = always(intent=Intent.SCORE, score=5, needs_person=True)

    assert read_replies([row], flattering).figures()["dissatisfied read as satisfied"] == 1
    assert read_replies([row], doubtful).figures()["dissatisfied read as satisfied"] == 0
    assert read_replies([row], doubtful).figures()["scores that need a person"] == 1.0


def test_a_score_inside_its_range_is_right() -> None:
    row = reply("还行", "score") | {"expect": {"intent": "score", "score": 3, "range": [3, 4], "category": None}}

    assert read_replies([row], always(intent=Intent.SCORE, score=4)).figures()["score"] == 1.0
    assert read_replies([row], always(intent=Intent.SCORE, score=5)).figures()["score"] == 0.0


# ----- ordinary messages


def test_false_opt_outs_and_false_scores_are_counted_for_each_language(evaluate: Evaluate) -> None:
    rows = [
        {"text": "please stop texting me", "lang": "en", "source": "a"},
        {"text": "see you at 5", "lang": "en", "source": "a"},
        {"text": "5", "lang": "zh", "source": "b"},
    ]
    done = evaluate(lines(*rows), options=("--misses",))

    assert done.out.startswith("messages\n")
    assert done.cells("en a") == ["2", "1", "50.00%", "0", "0.00%"]
    assert done.cells("zh b") == ["1", "0", "0.00%", "1", "100.00%"]
    assert done.cells("all") == ["3", "1", "33.33%", "1", "33.33%"]
    assert "false score: '5': score 5 (number 5)" in done.out


def test_messages_may_leave_their_language_to_the_command_line(evaluate: Evaluate) -> None:
    done = evaluate(lines({"text": "在路上"}), options=("--lang", "zh"))

    assert done.cells("zh") == ["1", "0", "0.00%", "0", "0.00%"]


def test_a_score_that_needs_a_person_is_no_false_score() -> None:
    told = read_messages([{"text": "?"}], reader=always(intent=Intent.SCORE, score=5, needs_person=True))

    assert told.groups["?"].false_scores == ()


# ----- reviews


def review(text: str, label: str, **others: str) -> dict[str, str]:
    return {"text": text, "label": label, "lang": "zh", "source": "shop"} | others


def test_reviews_are_measured_by_source_and_traditional_against_simplified(evaluate: Evaluate) -> None:
    simplified = lines(review("非常满意", "positive"), review("很差", "negative"), review("嗯", "neutral"))
    traditional = lines(
        review("非常滿意", "positive", script="hant"), review("很滿意", "negative", script="hant", source="inn")
    )
    done = evaluate(simplified, traditional, options=("--misses",))

    assert done.cells("zh shop") == ["2", "1.000"]
    assert done.cells("zh-hant all") == ["2", "0.333"]
    assert "zh-hant minus zh: -66.7 points" in done.out
    assert "negative: '很滿意': +1.0 (level word 很满意)" in done.out


def test_f1_weighs_both_labels_the_same() -> None:
    rows = [review("", "positive")] * 9 + [review("", "negative")]

    assert sentiment_f1(rows, always(intent=Intent.COMMENT, polarity=0.5)) == pytest.approx((18 / 19 + 0) / 2)


# ----- lists of phrases


def test_a_list_of_phrases_is_measured_by_place_and_meaning(evaluate: Evaluate) -> None:
    done = evaluate("# a list\nen | STOP | opt_out\nen | stop by any time | opt_out\n", options=("--misses",))

    assert done.cells("opt_out en") == ["2", "50.0%"]
    assert "en: 'stop by any time': want opt_out; got" in done.out


def test_the_state_of_the_customer_decides_what_yes_means() -> None:
    said = parse_phrases("en-US en-CA | YES | opt_in | opted out")

    assert [phrase.where for phrase in said] == ["en-US", "en-CA"]
    assert read_phrases(said).right == 1.0
    assert read_phrases(parse_phrases("en-US | YES | opt_in")).right == 0.0


def test_files_of_several_kinds_are_told_one_after_another(evaluate: Evaluate) -> None:
    done = evaluate("en | STOP | opt_out", lines({"text": "hello", "lang": "en"}), lines(reply("5", "score", 5)))

    assert [line for line in done.out.splitlines() if line in ("phrases", "messages", "replies")] == [
        "phrases",
        "messages",
        "replies",
    ]


# ----- files that are wrong


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lines(reply("5", "score", 5)) + "\n{", "line 2: is no JSON"),
        (lines(reply("5", "score", 5)) + "\n[]", "line 2: Input should be a valid dictionary"),
        (lines(reply("5", "stars", 5)), "line 1, expect, intent: Input should be 'opt_out'"),
        (lines(reply("5", "score", 5, question_scale="1-7")), "line 1, question_scale: Input should be '1-5'"),
        ("\n" + lines({"expect": {"intent": "score"}}), "line 2, text: Field required"),
        (lines(review("好", "fine")), "line 1, label: Input should be 'positive', 'negative' or 'neutral'"),
        ("STOP", "line 1: is not `where | what is said | meaning`"),
        ("en | STOP | peace", "line 1: 'peace' is not a valid Intent"),
    ],
)
def test_a_wrong_file_is_told_with_its_line_and_field(evaluate: Evaluate, content: str, told: str) -> None:
    done = evaluate(content)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "file0" in done.err


def test_a_declared_kind_decides_over_the_first_line(evaluate: Evaluate) -> None:
    done = evaluate(lines(review("很满意", "positive")), options=("--kind", "messages"))

    assert done.out.startswith("messages\n")


def test_an_unknown_kind_or_a_missing_file_is_told_in_words(evaluate: Evaluate, tmp_path: Path) -> None:
    assert (
        "no kind 'poems' -> one of replies, reviews, messages, phrases" in evaluate("", options=("--kind", "poems")).err
    )
    assert "nowhere.jsonl: cannot be read" in evaluate(tmp_path / "nowhere.jsonl").err
