"""When a period is over, satisfaction with each member of staff is put into a band, which proposes something (R166).

Nothing happens to anybody by it: a line of the trail for each, and a message to whoever decides. It is a look like
those of quotas.py. Bands and their limits stand in flows/appraisals.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from sqlmodel import Session

from bot.journey.duties import Look
from bot.journey.notices import tell
from bot.runtime import Runtime
from bot.store import appraisals, staff, trail
from bot.store.tables import QuotaCheckRow
from flows.appraisals import Appraisal, Band
from flows.offsets import DAY, resolve_local
from flows.program import Program
from flows.promises import ping_time
from flows.quotas import Reached, closings

APPRAISAL = "appraisal"
"""The kind of look, among those of quotas.py, at which bands are given."""
NAMED = 20
"""So many are named in one message; the trail has them all."""
_TEMPLATE = "staff/appraisal"
_MARKS = {"zh": ("：", "、"), "en": (": ", ", ")}

Standing = tuple[str, Reached]
"""Somebody's name, and satisfied of all answers."""


def looks(runtime: Runtime, program: Program, today: date, until: date) -> Iterator[Look]:
    """When periods between two days are over, as quotas.py plans it."""
    for appraisal in program.appraisals:
        for closing in closings(appraisal.period, today, until, runtime.calendar(program), program.time_zone):
            yield appraisal.id, APPRAISAL, closing.first, closing.last, closing.at


def appraise(session: Session, runtime: Runtime, check: QuotaCheckRow, now: datetime) -> Mapping[str, Any]:
    """Give everybody whom answers of a period are about a band: a line each, the worst first; what they say."""
    program = runtime.shelf.version(check.program_version_id)
    appraisal = next(each for each in program.appraisals if each.id == check.name)
    standings = sorted(_standings(session, program, appraisal, check), key=lambda each: (each[1].share, each[0]))
    found = [_line(program, appraisal, check, *standing) for standing in standings]
    trail.write(session, [trail.line(now, APPRAISAL, why, program_id=program.id, data=data) for why, data in found])
    for number, band in enumerate(appraisal.bands):
        inside = [standing for standing in standings if appraisal.band_of(standing[1]) is band]
        if inside and band.tell:
            _tell(session, runtime, program, appraisal, check, number, inside, now)
    return {"people": [data for _, data in found]}


def _standings(session: Session, program: Program, appraisal: Appraisal, check: QuotaCheckRow) -> Iterator[Standing]:
    """Satisfied, which is whoever is not dissatisfied by the program's own `low`, of all who gave a score."""
    since, until = (resolve_local(day, time(0), program.time_zone) for day in (check.first, check.last + DAY))
    counts = appraisals.satisfied(
        session,
        program.id,
        appraisal.about,
        appraisal.of or [flow.id for flow in program.flows],
        appraisal.questions,
        program.replies.low.level,
        since,
        until,
    )
    return ((name, Reached(*reached)) for name, reached in counts.items())


def _line(
    program: Program, appraisal: Appraisal, check: QuotaCheckRow, name: str, reached: Reached
) -> tuple[str, dict[str, Any]]:
    """What the trail says of one person, and why."""
    band = appraisal.band_of(reached)
    proposed = program.text(band.name, program.language) if band else None
    because = f"{name} {reached}: {proposed or f'fewer than {appraisal.least} answers'}"
    return because, {
        "appraisal": appraisal.id,
        "about": name,
        "numerator": reached.numerator,
        "denominator": reached.denominator,
        "share": str(reached),
        "band": proposed,
        "period": check.first.isoformat(),
    }


def _tell(
    session: Session,
    runtime: Runtime,
    program: Program,
    appraisal: Appraisal,
    check: QuotaCheckRow,
    number: int,
    inside: Sequence[Standing],
    now: datetime,
) -> None:
    """Whoever decides hears who is in a band, once; somebody with two of its roles, too."""
    band = appraisal.bands[number]
    members = {member.id: member for role in band.tell for member in staff.with_role(session, program.id, role)}
    variables = {"item": appraisal.name, "reason": _proposal(program, band, inside), "closes_on": check.last}
    key = f"appraisal:{check.id}:{number}"
    tell(session, runtime, program, members.values(), _TEMPLATE, key, variables, ping_time(now, program.time_zone))


def _proposal(program: Program, band: Band, inside: Sequence[Standing]) -> Mapping[str, str]:
    """The band and who is in it, in each language: criticism: Li Qiang 13/20, Wang Lei 6/10."""
    people = [f"{name} {reached}" for name, reached in inside[:NAMED]]
    more = ["…"] if len(inside) > NAMED else []
    return {
        language: f"{program.text(band.name, language)}{colon}{comma.join([*people, *more])}"
        for language, (colon, comma) in _MARKS.items()
    }
