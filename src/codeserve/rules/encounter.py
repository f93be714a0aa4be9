"""What the platform tells about the visit beside the note. Every field may be unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

STAYS = ("inpatient", "observation")
STAY_PLACES = ("21", "51")  # inpatient hospital, inpatient psychiatric facility


@dataclass(frozen=True, slots=True)
class RecentProcedure:
    """A service that the same physician or group did before: its CPT or HCPCS code, its day, its modifiers."""

    code: str
    date: date
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Encounter:
    """`age` in years at the date of service; `sex` "female", "male" or "other"; `place_of_service` the two-digit
    CMS code; `minutes` the provider's total time on the date of service; `recent_procedures` for global periods and
    frequencies. The other strings are the words of the API's contract (docs/api.md): `setting`, `service`,
    `modality`, `note_type`, `patient_status`."""

    date_of_service: date | None = None
    place_of_service: str | None = None
    patient_status: str | None = None
    setting: str | None = None
    service: str | None = None
    modality: str | None = None
    note_type: str | None = None
    specialty: str | None = None
    payer: str | None = None
    minutes: int | None = None
    age: int | None = None
    sex: str | None = None
    prior_diagnoses: tuple[str, ...] = ()
    existing_codes: tuple[str, ...] = ()
    recent_procedures: tuple[RecentProcedure, ...] = ()

    @property
    def stay(self) -> bool:
        """Whether the visit is part of a hospital stay: uncertain diagnoses at its end are coded (guideline II.H)."""
        return self.setting in STAYS or self.place_of_service in STAY_PLACES or self.note_type == "discharge_summary"

    @property
    def medicare(self) -> bool:
        """Whether the payer's name says Medicare."""
        return "medicare" in (self.payer or "").lower()

    @property
    def payer_sort(self) -> str:
        """ "medicare", "medicaid", "commercial" for any other name, "" where none is told."""
        named = (self.payer or "").lower()
        return next((sort for sort in ("medicare", "medicaid") if sort in named), "commercial" if named else "")
