"""Satisfaction with each member of staff, and the band that a share of it falls into (R166).

Values and one comparison. Which answers count stands in `bot/store/appraisals.py`, who hears of it in
`bot/journey/appraisals.py`. The product proposes; nothing happens to anybody by it.
"""

from fractions import Fraction

from pydantic import Field

from flows.fields import Part, ShareField, Words
from flows.promises import Period
from flows.quotas import Reached


class Band(Part):
    """One band of satisfaction, and what is proposed for whoever is in it."""

    name: Words = Field(description="what is proposed, as staff read it")
    above: ShareField | None = Field(None, description="more than this share: 90%")
    at_least: ShareField | None = Field(None, description="this share or more: 70%; the last band has no limit")
    tell: tuple[str, ...] = Field((), description="roles that hear who is in it; none: it stands in the trail only")

    @property
    def limit(self) -> tuple[Fraction, bool] | None:
        """How high a share must be, in order: more than 70% is higher than 70% or more; None: no limit."""
        share = self.at_least if self.above is None else self.above
        return None if share is None else (share, self.above is not None)

    def admits(self, share: Fraction) -> bool:
        """Is a share high enough? Compared exactly; without a limit every share is."""
        if self.above is not None:
            return share > self.above
        return self.at_least is None or share >= self.at_least


class Appraisal(Part):
    """What customers said of each member of staff in a period, as a share of satisfied answers in a band."""

    id: str = Field(description="name of the appraisal")
    name: Words = Field(description="what staff read")
    about: str = Field(
        description="attribute of the customer, or field of the event asked about, with the name of whom it concerns"
    )
    of: tuple[str, ...] = Field((), description="flows whose surveys count; none: all of the program")
    questions: tuple[str, ...] = Field(
        min_length=1, description="questions of those surveys; the first that a customer gave a score counts"
    )
    period: Period = Field(Period.MONTH, description="calendar period in which the first answer came")
    least: int = Field(5, ge=1, description="fewer answers give no band")
    bands: tuple[Band, ...] = Field(min_length=1, description="best first; the last takes everybody else")

    def band_of(self, reached: Reached) -> Band | None:
        """The best band that a share is high enough for; None: too few answers to judge anybody by."""
        if reached.denominator < self.least:
            return None
        return next(band for band in self.bands if band.admits(reached.share))
