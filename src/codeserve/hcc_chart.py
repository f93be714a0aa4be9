"""A chart: one patient's line of `codeserve hcc`, and its notes placed by year of service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from codeserve.api.schemas import DiagnosisCodeText, Encounter, Identifier, NoteText, Request
from codeserve.rules.risk import AUDIO
from codeserve.rules.risk_adjustment import Person

Place = Literal["this_year", "earlier", "later", "undated"]


class ChartPerson(Request):
    """What is left out is assumed, and the answer says so."""

    age: int | None = Field(default=None, ge=0, le=130)
    sex: Literal["F", "M"] | None = None
    dual_elgbl_cd: Literal["00", "01", "02", "03", "04", "05", "06", "08", "09", "10"] | None = None
    orec: Annotated[str, Field(pattern=r"^[0-3]$")] | None = None
    institutional: bool | None = None

    def person(self) -> Person:
        return Person(self.age, self.sex, self.dual_elgbl_cd, self.orec, self.institutional)


class ChartNote(Request):
    document_id: Identifier
    text: NoteText
    encounter: Encounter = Encounter()

    @property
    def counts(self) -> bool:
        return self.encounter.modality != AUDIO

    def place(self, year: int) -> Place:
        day = self.encounter.date_of_service
        if day is None:
            return "undated"
        return "this_year" if day.year == year else "earlier" if day.year < year else "later"


class Chart(Request):
    """`prior_diagnoses` are codes of earlier years, to which those of earlier notes and of all encounters are added;
    `documented_diagnoses` are codes that the year holds already, beside those of its notes."""

    patient_id: Identifier
    person: ChartPerson = ChartPerson()
    prior_diagnoses: list[DiagnosisCodeText] = Field(default_factory=list, max_length=1000)
    documented_diagnoses: list[DiagnosisCodeText] = Field(default_factory=list, max_length=1000)
    notes: list[ChartNote] = Field(default_factory=list, max_length=1000)
