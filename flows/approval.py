"""Nothing unapproved is sent: who writes a survey or a text, who approves it, and what makes it another one.

With `approval` a survey or a message says that its content must be approved (R54, R103, R104). A content is known by
its digest: whoever edits a survey has a draft again, with nothing to remember. Which state follows which stands in
`flows/states.py`, who submits, approves and withdraws in `bot/journey/approving.py`.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from flows.fields import Part


class Approval(Part):
    """Who writes what goes out, and who approves it: two people (R104)."""

    author: str = Field(description="role that submits it, and hears that it waits to be submitted")
    approver: str = Field(description="role that approves it or sends it back, and hears that it was submitted")


@dataclass(frozen=True)
class Content:
    """What is approved: a survey or a template by its name in the program, as it stands now."""

    program_id: str
    name: str
    digest: str
    approval: Approval

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other content."""
        return self.program_id, self.name, self.digest


def digest_of_survey(survey: Part) -> str:
    """The digest of what a survey asks; who must approve it is no part of that.

    Only what differs from the defaults counts, so that a field which the language gains later changes no digest.
    """
    # warnings=False: pydantic did not read the offsets itself, and says so
    asked = survey.model_dump(mode="json", exclude={"approval"}, exclude_defaults=True, warnings=False)
    return _digest([json.dumps(asked, ensure_ascii=False, sort_keys=True)])


def digest_of_texts(digests: Iterable[str]) -> str:
    """The digest of one template: of its texts in every language."""
    return _digest(sorted(digests))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
