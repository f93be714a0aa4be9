"""The plain data that goes in and out of adapters."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.adapters.base import (
    ChargeLine,
    DraftCharge,
    SourceDocument,
    SourceEncounter,
    SourcePatient,
    usable_identifiers,
)
from codeserve.api.schemas import Patient
from codeserve.errors import InvalidNote

PATIENT = SourcePatient("p-1", date(1961, 4, 17), "female", ("Marla Quillfeather", "M", "MRN-7"))
NOTE = SourceDocument("d-1", "1", "signed", "Pain.", PATIENT, SourceEncounter("e-1", date(2026, 3, 2)))


@given(st.lists(st.text(max_size=250), max_size=150))
def test_identifiers_are_ones_that_a_request_takes(identifiers: list[str]) -> None:
    taken = usable_identifiers(identifiers)
    assert len(set(taken)) == len(taken)
    assert Patient(identifiers=list(taken))


def test_the_longest_identifiers_stay() -> None:
    assert usable_identifiers(["Li", " Marla ", "M", "Marla", "Marla Li"]) == ("Marla Li", "Marla", "Li")


@pytest.mark.parametrize(
    ("diagnoses", "line"),
    [
        ((), ChargeLine("99213", "CPT", diagnosis_pointers=(1,))),
        (("R05.9",), ChargeLine("99213", "CPT", diagnosis_pointers=(2,))),
        (("R05.9",), ChargeLine("99213", "CPT")),
        (("R05.9",), ChargeLine("99213", "CPT", units=0, diagnosis_pointers=(1,))),
        (("R05.9",), ChargeLine("99213", "CPT", tuple("abcde"), 1, (1,))),
    ],
)
def test_a_draft_that_fits_no_claim_is_refused(diagnoses: tuple[str, ...], line: ChargeLine) -> None:
    with pytest.raises(InvalidNote):
        DraftCharge("cs-1", "d-1", "p-1", None, date(2026, 3, 2), diagnoses, (line,))


def test_nothing_of_the_patient_is_in_a_repr() -> None:
    assert not [word for word in ("Quillfeather", "MRN-7", "p-1", "Pain", "1961", "e-1") if word in repr(NOTE)]
