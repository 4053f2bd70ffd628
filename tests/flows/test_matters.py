"""Which kind of matter an event is about that names none."""

import pytest

from flows.load import load_program, shipped_program_text
from flows.matters import kind_meant


@pytest.mark.parametrize(
    ("program", "event", "kind"),
    [
        ("equipment_project", "acceptance", "project"),
        ("auto_maintenance", "insurance_renewed", "vehicle"),
        ("finance", "early_repayment", "contract"),
        ("chemicals_trader", "payment_received", "invoice"),
        ("generic_company", "visit_cancelled", "visit"),
        ("equipment_project", "maintenance_done", ""),
        ("service_desk_72h", "order_opened", ""),  # it sets a date, and nothing counts from it
    ],
)
def test_an_event_means_the_kind_that_something_counts_from(program: str, event: str, kind: str) -> None:
    text = shipped_program_text(program)
    assert kind_meant(load_program(text, f"{program}.yaml"), event) == kind
