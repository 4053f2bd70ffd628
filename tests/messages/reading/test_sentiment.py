"""The small model: what ships, that it is explained, that it knows its place, and that training repeats itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from messages.reading import Question, Scale, read
from messages.reading.feelings import NOTHING_FELT
from messages.reading.sentiment import feeling_of, pieces

ROOT = Path(__file__).parents[3]
WORDS = ROOT / "messages" / "reading" / "words"
TRAINING = ROOT / "tools" / "train_sentiment.py"


def test_the_models_are_small() -> None:
    assert sum(path.stat().st_size for path in WORDS.glob("sentiment.*.gz")) < 3_000_000


@pytest.mark.parametrize(
    ("language", "text", "sign"),
    [
        ("zh", "商品与网站图片差距明显", -1),
        ("zh", "等了两个小时才送到", -1),
        ("zh", "还会再来的", 1),
        ("en", "never going back there", -1),
        ("en", "they explained everything and put me at ease", 1),
    ],
)
def test_a_feeling_names_the_pieces_that_weighed_most(language: str, text: str, sign: int) -> None:
    feeling = feeling_of(text, language, NOTHING_FELT)

    assert feeling is not None
    assert feeling.polarity * sign > 0
    assert feeling.because
    assert set(feeling.because) <= pieces(text, language)


def test_characters_a_little_apart_are_a_piece_within_one_clause_only() -> None:
    found = pieces("不太好,吃", "zh")

    assert "不…好" in found
    assert not any(piece.endswith("…吃") for piece in found)


@pytest.mark.parametrize("text", ["5分,等了两个小时才送到,商品与网站图片差距明显", "5 never going back there"])
def test_the_model_never_overrules_a_stated_score(text: str) -> None:
    reading = read(text, Question(Scale.FIVE))
    silent = read(text, Question(Scale.FIVE), with_model=False)

    assert reading.score == 5
    assert reading == silent


def test_traditional_characters_feel_the_same() -> None:
    simplified = read("商品与网站图片差距明显", Question(Scale.TEXT, language="zh"))
    traditional = read("商品與網站圖片差距明顯", Question(Scale.TEXT, language="zh"))

    assert traditional.polarity == simplified.polarity


def test_training_again_gives_the_same_bytes_and_tells_how_good_it_is(tmp_path: Path) -> None:
    subjects = ["房间", "早餐", "前台", "位置", "热水", "电视", "毛巾", "大堂", "空调", "电梯"]
    said = [("让人舒服", "positive"), ("一塌糊涂", "negative")] * 3
    rows = [
        {"text": f"{subject}{words}", "label": label, "source": "made up"}
        for subject in subjects
        for words, label in said
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")

    told = [_train(data, tmp_path / name) for name in ("first.gz", "second.gz")]

    assert (tmp_path / "first.gz").read_bytes() == (tmp_path / "second.gz").read_bytes()
    assert "held out tenth: macro F1 1.0000 on 6 rows" in told[0]


def _train(data: Path, out: Path) -> str:
    command = [sys.executable, str(TRAINING), "zh", str(data), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
