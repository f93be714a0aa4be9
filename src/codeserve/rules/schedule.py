"""The physician fee schedule of a day of service: global periods, and what a visit beside a service needs.

Source: CMS Claims Processing Manual, chapter 12, section 40; NCCI Policy Manual, chapter I, section D; the global days
of CMS's fee schedule, or else those of data/rules/em_modifiers.tsv.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from codeserve.codesets.reference import Fee, Reference
from codeserve.rules.encounter import Encounter
from codeserve.rules.kinds import kind_of
from codeserve.rules.reading import setting_of
from codeserve.rules.tables import rows, within

MINOR, MAJOR = 10, 90
DAYS = {"000": 0, "010": MINOR, "090": MAJOR}
TABLE = "em_modifiers.tsv"
FACILITY_SETTINGS = frozenset({"inpatient", "observation", "emergency"})


@dataclass(frozen=True, slots=True)
class Schedule:
    """Read-only; `day` None takes the newest table. `in_facility`: which of the two amounts the place is paid."""

    reference: Reference
    day: date | None = None
    in_facility: bool = False

    @classmethod
    def of(cls, encounter: Encounter, reference: Reference | None = None) -> Schedule:
        """Without `reference` the starting tables answer."""
        return cls(reference or _starting(), encounter.date_of_service, pays_facility_rate(encounter))

    def fee(self, code: str, modifier: str = "") -> Fee | None:
        return self.reference.fee(code, modifier, self.day)

    def value(self, code: str) -> float | None:
        """Relative value units; None where no imported fee schedule has them."""
        fee = self.fee(code)
        if fee is None:
            return None
        return fee.facility if self.in_facility else fee.nonfacility

    def add_on(self, code: str) -> bool:
        return self.reference.add_on(code, self.day) is not None

    def global_days(self, code: str) -> int | None:
        """0, 10 or 90 days after the day of the service; None where it has no global period or none is known."""
        fee = self.fee(code)
        if fee:
            return DAYS.get(fee.global_days)
        days = within(TABLE, "days", code) if kind_of(code) == "surgery" else ""
        return int(days) if days else None

    def visit_modifier(self, code: str) -> str | None:
        """What a visit needs beside a service: 57 for a major operation, 25 for a minor one and for the services
        without a global period that NCCI pairs with visits, such as injections; None for all others."""
        if kind_of(code) == "em":
            return None
        days = self.global_days(code)
        if days is not None:
            return "57" if days == MAJOR else "25"
        return within(TABLE, "modifier", code) or None


def pays_facility_rate(encounter: Encounter) -> bool:
    """Whether the physician is paid the facility amount: by place of service, else by setting."""
    place = encounter.place_of_service
    if place is None:
        return setting_of(encounter) in FACILITY_SETTINGS
    return any(row["place"] == place and row["rate"] == "F" for row in rows("places.tsv"))


@lru_cache(maxsize=1)
def _starting() -> Reference:
    return Reference.load()
