"""Measures the reader: on labelled replies, on ordinary messages, on reviews, and on lists of phrases.

Pure: rows in, a report out, which tells its tables and every miss as text; `huifang evaluate` reads the files and
prints. A file for each kind of rows: `replies.py`, `strangers.py`, `reviews.py`, `phrases.py`.
"""

from messages.reading.evaluate.phrases import Phrase, Phrases, Want, parse_phrases, read_phrases
from messages.reading.evaluate.replies import Replies, read_replies
from messages.reading.evaluate.reviews import Reviews, read_reviews, sentiment_f1
from messages.reading.evaluate.strangers import Messages, Strangers, read_messages, read_strangers
from messages.reading.evaluate.tables import Report

__all__ = [
    "Messages", "Phrase", "Phrases", "Replies", "Report", "Reviews", "Strangers", "Want", "parse_phrases",
    "read_messages", "read_phrases", "read_replies", "read_reviews", "read_strangers", "sentiment_f1",
]  # fmt: skip
