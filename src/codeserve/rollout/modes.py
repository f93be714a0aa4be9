"""What a practice has agreed to, by specialty: mode, threshold, families, how many a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from codeserve.errors import InvalidNote
from codeserve.rollout.families import load_families
from codeserve.rules.routing import LOW

ANY = ""  # every specialty that has no policy of its own


class Mode(StrEnum):
    """In the order in which they are earned. Shadow: logged and compared only; assisted: pre-filled, a coder decides;
    automated: what is sure and clean is posted."""

    SHADOW = "shadow"
    ASSISTED = "assisted"
    AUTOMATED = "automated"

    @property
    def rank(self) -> int:
        return list(Mode).index(self)


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one practice and specialty. `threshold` in [0.5, 1]: what every confidence must reach to be posted;
    `families`: names of data/rollout/families.tsv, no code outside of them is posted; `maximum_a_day`: posted notes;
    `quality_share` in [0, 1]: of those, how many a coder looks at all the same; `since`: when the mode began. Raises
    InvalidNote."""

    tenant: str
    specialty: str = ANY
    mode: Mode = Mode.SHADOW
    threshold: float = 0.95
    families: frozenset[str] = frozenset()
    maximum_a_day: int = 0
    quality_share: float = 0.05
    since: datetime | None = None

    def __post_init__(self) -> None:
        if not LOW <= self.threshold <= 1:
            raise InvalidNote(f"Should be between {LOW} and 1", field="threshold")
        if not 0 <= self.quality_share <= 1:
            raise InvalidNote("Should be between 0 and 1", field="quality_share")
        if self.maximum_a_day < 0:
            raise InvalidNote("Should be 0 or more", field="maximum_a_day")
        if unknown := self.families - load_families().names:
            raise InvalidNote(f"There are no such families: {len(unknown)} of {len(self.families)}", field="families")


def policy_of(policies: Iterable[Policy], tenant: str, specialty: str | None) -> Policy:
    """The practice's policy for the specialty, else the one for any; where nobody has said anything a coder decides."""
    own = {policy.specialty: policy for policy in policies if policy.tenant == tenant}
    return own.get(normal(specialty)) or own.get(ANY) or Policy(tenant, normal(specialty), Mode.ASSISTED)


def normal(specialty: str | None) -> str:
    """As a policy names it: in small letters, single spaces; no specialty is any."""
    return " ".join((specialty or ANY).casefold().split())
