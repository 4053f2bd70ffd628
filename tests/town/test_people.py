"""Who lives in the town, and what is loaded."""

from collections import Counter
from datetime import datetime, timedelta

import phonenumbers
import pytest
from sqlmodel import select

from bot.clock import SimulatedClock
from bot.phones import normalise_phone
from bot.runtime import Runtime
from bot.store import agenda, customers, events
from bot.store.tables import CustomerRow, EnrolmentRow, EventRow, FollowUpRow, ProgramVersionRow
from bot.town import history
from bot.town.people import STAFF, Counts, first_moment, inhabitants, load_demonstration


def numbers() -> list[str]:
    return [one.customer.phone for one in inhabitants()] + [address for _, _, address, _ in STAFF]


def test_three_hundred_people_have_a_number_each() -> None:
    assert len(inhabitants()) == 300
    assert len(set(numbers())) == len(numbers())


def test_a_number_can_be_stored_and_reaches_nobody() -> None:
    for number in numbers():
        parsed = phonenumbers.parse(number)
        assert normalise_phone(number, "CN") == number
        national = str(parsed.national_number)
        match parsed.country_code:
            case 86:
                assert national.startswith("100000")  # Beijing, and a subscriber number that begins with 0
            case 44:
                assert national.startswith("7700900")  # Ofcom: drama
            case 1:
                assert national[3:8] == "55501"  # 555-0100 to 555-0199: fiction
            case other:
                raise AssertionError(other)


def test_every_class_that_a_cadence_names_has_somebody() -> None:
    classes = Counter(one.customer.class_ for one in inhabitants())
    assert min(classes[name] for name in ("high_value", "ordinary", "potential", "lost")) >= 5
    assert min(classes[name] for name in ("inpatient", "specialty_first", "basic_first")) >= 3


def test_dates_and_amounts_are_those_of_the_file() -> None:
    one = next(one for one in inhabitants() if one.customer.programs == ("retail_aftersales",))
    today = history.last_day() + timedelta(days=1000)
    told = list(history.events_of(one.dweller, one.bought, today))
    assert [event.data["amount"] for event in told] == [purchase.amount for purchase in one.bought]
    assert [(event.at.date() - purchase.on).days for event, purchase in zip(told, one.bought, strict=True)] == (
        [1000] * len(told)
    )


def test_the_file_begins_again_when_it_is_at_its_end() -> None:
    one, today = inhabitants()[0], history.last_day()
    first = list(history.events_of(one.dweller, one.bought, today, 0))
    again = list(history.events_of(one.dweller, one.bought, today, 1))
    assert {event.id for event in first}.isdisjoint(event.id for event in again)
    assert again[0].at - first[0].at == history.round_length()
    assert again[0].at.date() > today


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        ("2026-11-21T22:00:00+08:00", "2026-11-23T08:55:00+08:00"),  # a Saturday: on Monday
        ("2026-11-24T03:00:00+08:00", "2026-11-24T08:55:00+08:00"),
        ("2026-10-01T12:00:00+08:00", "2026-10-08T08:55:00+08:00"),  # the holidays of National Day
        ("2026-09-20T12:00:00+08:00", "2026-09-20T08:55:00+08:00"),  # a make-up Sunday is a workday
    ],
)
def test_the_town_begins_on_a_workday_before_nine(now: str, begins: str) -> None:
    assert first_moment(datetime.fromisoformat(now)) == datetime.fromisoformat(begins)


def test_an_empty_database_is_filled_once(runtime: Runtime, clock: SimulatedClock) -> None:
    # given an empty database at five to nine
    clock.move_to(first_moment(clock.now()))
    # when the demonstration is loaded twice
    counts = load_demonstration(runtime)
    again = load_demonstration(runtime)
    # then all are there, once
    assert (counts.customers, counts.staff) == (300, len(STAFF))
    assert again == Counts()
    with runtime.db.read() as session:
        assert customers.count(session) == 300
        assert len(session.exec(select(EventRow)).all()) == counts.events
        enrolled = Counter(row.program_id for row in session.exec(select(EnrolmentRow)))
        assert enrolled == {"retail_aftersales": 220, "auto_repair": 40, "hospital": 40}
        people = session.exec(select(CustomerRow)).all()
        assert 3 <= sum(row.opted_out_at is not None for row in people) <= 8
        assert sum(row.marketing_consent_at is not None for row in people) > 80
        assert len(customers.unreachable(session)) == 2
        # and only what is recent is followed up; nothing is listed as missed
        assert agenda.read(session).follow_up is not None
        planned = session.exec(select(FollowUpRow)).all()
        assert 60 < len(planned) < 200
        assert all(row.due_at > clock.now() for row in planned)
        versions = session.exec(select(ProgramVersionRow)).all()
        assert Counter(row.author for row in versions) == {"shipped": 3, "demonstration": 3}


def test_nothing_has_happened_yet_that_lies_in_the_future(runtime: Runtime, clock: SimulatedClock) -> None:
    clock.move_to(first_moment(clock.now()))
    load_demonstration(runtime)
    with runtime.db.read() as session:
        rows = session.exec(select(EventRow)).all()
        assert max(row.occurred_at for row in rows) <= clock.now()
        key = next(iter(inhabitants())).customer.id
        customer_id = customers.by_keys(session, history.SOURCE, [key])[key]
        assert events.of_customer(session, customer_id)


def test_a_database_in_use_is_left_alone(runtime: Runtime) -> None:
    with runtime.db.write() as session:
        session.add(CustomerRow(external_id="theirs", name="Real Person", created_at=runtime.clock.now()))
    assert load_demonstration(runtime) == Counts()
