"""After warming nothing is left to be loaded: the first reply is read as fast as any."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

READ_ALL_CASES = """
import sys
from messages.reading import read
from messages.reading.warm import warm
from tests.messages.reading.cases import cases

replies = [*cases("zh"), *cases("en")]
warm()
opened = []
sys.addaudithook(lambda event, about: opened.append(about[0]) if event == "open" else None)
for case in replies:
    read(case.text, case.question)
print(len(replies), opened)
"""


def test_a_warm_reader_opens_no_file() -> None:
    command = [sys.executable, "-c", READ_ALL_CASES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)

    count, _, opened = done.stdout.strip().partition(" ")
    assert int(count) > 1_000, done.stderr
    assert opened == "[]"
