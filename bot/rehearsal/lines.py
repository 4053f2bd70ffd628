"""What a line of a timeline may be and say (docs/rehearse.md). An expectation that asks for anything else is a slip:
with `not: true` it would come true for ever.
"""

from collections.abc import Mapping

COMMON = frozenset({"at", "what", "because", "customer", "person", "program", "flow", "ticket", "text", "channel"})
"""Fields that lines of many kinds have."""
WHATS: Mapping[str, frozenset[str]] = {
    what: frozenset(own.split())
    for what, own in {
        "planned": "due nominal count occasion seed",
        "message": "purpose staff occasion",
        "resurvey": "purpose staff",
        "stopped": "",
        "resumed": "",
        "skipped": "",
        "missed": "",
        "cancelled": "task kind staff",
        "done": "task kind staff",
        "unreachable": "",
        "held": "",
        "moved": "due",
        "lapsed": "",
        "late": "score points level",
        "retry": "",
        "fallback": "",
        "reply": "intent score level categories topic flags",
        "answer": "score points level round",
        "ticket": "kind owner due call_before wished category topic urgent",
        "ticket_note": "wished",
        "alert": "roles ping_at",
        "ping": "role step round staff count target met period",
        "passed_on": "role",
        "concentrated": "topic count tickets roles staff",
        "claimed": "staff",
        "acknowledged": "staff",
        "given_back": "staff",
        "resolved": "staff round",
        "round": "round due call_before",
        "closed": "round",
        "task": "task kind role name due staff",
        "appointment": "task kind answer due",
        "breach": "task kind role name staff count target met period",
        "allowance": "task kind name amount names",
        "contact": "kind on counts staff missing",
        "fulfilled": "count target period task kind name",
        "restarted": "from next",
        "milestone": "milestone on title",
        "quota": "quota class numerator denominator share target met missing period penalty names seed staff count",
        "appraisal": "appraisal about numerator denominator share band period",
        "class": "before after",
        "annoyed": "",
        "refused": "task",
        "opted_out": "",
        "opted_in": "",
        "suppressed": "",
        "approval": "content state staff",
        "deletion": "state staff role count",
        "denied": "staff",
        "viewed": "staff",
        "violation": "violation kind name about state number sanction staff",
        "notice": "count seed occasion due of",
        "link": "",
        "linked": "",
        "left": "",
        "came_back": "",
        "paused": "",
        "silence": "",
        "sound": "",
    }.items()
}
"""Kind of line -> its own fields; a line of `done` also has what was noted of its task."""
FIELDS = COMMON.union(*WHATS.values())
"""Every field that a line has of itself."""
INSTANTS = frozenset({"at", "due", "call_before", "ping_at"})
"""Fields that expectations compare to the minute, or to the day."""
