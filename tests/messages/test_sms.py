"""What a text costs, against the published limits of GSM 03.38 and UTF-16."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages.sms import Segments, cost, culprits, measure


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("GSM-7", 0, 0, 160)),
        ("a" * 160, Segments("GSM-7", 160, 1, 160)),
        ("a" * 161, Segments("GSM-7", 161, 2, 153)),
        ("a" * 306, Segments("GSM-7", 306, 2, 153)),
        ("a" * 307, Segments("GSM-7", 307, 3, 153)),
        ("您" * 70, Segments("UCS-2", 70, 1, 70)),
        ("您" * 71, Segments("UCS-2", 71, 2, 67)),
        ("您" * 134, Segments("UCS-2", 134, 2, 67)),
        ("您" * 135, Segments("UCS-2", 135, 3, 67)),
        ("€" * 80, Segments("GSM-7", 160, 1, 160)),
        ("Grüße für 5 £ an Åse\n", Segments("GSM-7", 21, 1, 160)),
    ],
)
def test_a_text_is_measured_as_carriers_bill_it(text: str, expected: Segments) -> None:
    assert measure(text) == expected


def test_an_escape_pair_never_straddles_two_segments() -> None:
    # given 152 septets, then € (two septets), then enough to need a second segment
    text = "a" * 152 + "€" + "a" * 152
    # then 306 septets, which would fit two segments of 153, take three: the first ends a septet early
    assert measure(text) == Segments("GSM-7", 306, 3, 153)


def test_a_surrogate_pair_never_straddles_two_segments() -> None:
    text = "您" * 66 + "😀" + "您" * 66
    assert measure(text) == Segments("UCS-2", 134, 3, 67)


@given(st.text())
def test_no_segment_count_beats_the_room_there_is(text: str) -> None:
    size = measure(text)
    assert size.units <= size.segments * size.per_segment
    if size.encoding == "UCS-2":
        assert size.units == len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(st.text(max_size=200))
def test_culprits_are_named_exactly_when_the_text_is_ucs_2(text: str) -> None:
    assert bool(culprits(text)) == (measure(text).encoding == "UCS-2")


def test_the_marketer_is_told_which_pasted_characters_double_the_price() -> None:
    # given a text from a word processor, with curly quotes and a no-break space
    text = "We’re\u00a0here ‘for you’ – thanks"
    assert culprits(text) == ("’", "\u00a0", "‘", "–")


def test_the_backtick_the_tab_and_c_cedilla_are_no_gsm_characters_but_capital_c_cedilla_is() -> None:
    assert culprits("`\tçÇ") == ("`", "\t", "ç")


def test_the_cost_is_exact_in_the_currency_of_the_price() -> None:
    assert cost("您" * 71, Decimal("0.045")) == Decimal("0.090")
