"""How a customer is addressed by name: 张先生, 欧阳女士, 宏远纸业, Mr Zhang.

What names tell is data (`words/names.yaml`). What is said where there is no name: render.py.
"""

import re
from functools import cache
from importlib.resources import files

import yaml


def salutation(name: str, title: str, language: str) -> str | None:
    """The surname with the form of address; the whole name without one; None without a name (R101, R102).

    A company is addressed by its name alone. A long Chinese name without a known compound surname is kept whole.
    """
    name = name.strip()
    if not name:
        return None
    if not title or is_company(name):
        return name
    if language == "zh":
        return f"{name if name.isascii() else _chinese_surname(name)}{title}"
    return f"{title} {name.split()[-1]}" if name.isascii() else name


def is_company(name: str) -> bool:
    """Does a name end as those of companies and offices do?"""
    if name.isascii():
        words = name.lower().replace(".", "").split()
        return len(words) > 1 and words[-1] in _names("company_endings")
    return _BRANCH.sub("", name).endswith(_names("company_endings"))


def _chinese_surname(name: str) -> str:
    """The surname, or the whole name where it cannot be told."""
    compound = next(filter(name.startswith, _names("compound_surnames")), None)
    if compound:
        return compound
    return name[0] if len(name.replace(" ", "")) < _LONG else name


_BRANCH = re.compile(r" ?[(（][^()（）]*[)）]$")
_LONG = 4  # characters: 迪丽热巴 has no surname, 范徐丽泰 has two


@cache
def _names(kind: str) -> tuple[str, ...]:
    text = (files("messages") / "words" / "names.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text)[kind].split())
