"""Reads what a customer writes back: inbound text in, a Reading out. Pure, deterministic, explained.

Begin in `reader.py`; the words themselves are in `words/*.yaml`, and docs/reading.md tells how a reply is read.
"""

from messages.reading.persons import ABOUT_STAFF
from messages.reading.reader import read
from messages.reading.values import Category, Intent, Question, Reading, Scale

__all__ = ["ABOUT_STAFF", "Category", "Intent", "Question", "Reading", "Scale", "read"]
