"""From a platform's document to the gateway's request, and from its answer to a draft charge."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.adapters.base import ChargeLine, DraftCharge, SourceDocument, SourceEncounter, SourcePatient
from codeserve.adapters.mapping import draft_charge, extract_request, usable
from codeserve.api.schemas import ExtractRequest
from codeserve.errors import InvalidNote

PATIENT = SourcePatient("p-1", date(1961, 4, 17), "female", ("Marla Quillfeather", "M", "MRN-7"))
VISIT = SourceEncounter("e-1", date(2026, 3, 2), setting="office", note_type="progress", payer="Medicare")
NOTE = SourceDocument("d-1", "1", "signed", "Pain.", PATIENT, VISIT)


def diagnosis(sequence: int, code: str, role: str = "assessed") -> dict[str, Any]:
    return {"sequence": sequence, "code": code, "role": role}


def service(code: str, pointers: list[int], **rest: Any) -> dict[str, Any]:
    line = {"code": code, "system": "CPT", "modifiers": [], "units": 1, "diagnosis_pointers": pointers}
    return line | rest


def answer(diagnoses: list[Any], services: list[Any], em: Any = None) -> dict[str, Any]:
    return {"diagnosis_codes": diagnoses, "procedure_codes": services, "em": em}


def test_the_request_is_one_that_the_gateway_takes() -> None:
    asked = ExtractRequest.model_validate_json(json.dumps(extract_request(NOTE)))
    assert asked.encounter.setting == "office"
    assert asked.encounter.patient is not None
    assert asked.encounter.patient.identifiers == ["Marla Quillfeather", "MRN-7"]


def test_what_is_not_known_is_left_out() -> None:
    bare = SourceDocument("d-1", "1", "signed", "Pain.", SourcePatient("p-1"))
    assert extract_request(bare) == {
        "document_id": "d-1",
        "text": "Pain.",
        "encounter": {"patient": {"identifiers": []}},
    }


@given(st.lists(st.text(max_size=250), max_size=150))
def test_identifiers_fit_the_request(identifiers: list[str]) -> None:
    taken = usable(identifiers)
    assert len(taken) <= 100
    assert len(set(taken)) == len(taken)
    assert all(2 <= len(i) <= 200 and i == i.strip() for i in taken)


def test_a_draft_holds_visit_additions_and_services() -> None:
    em = {"code": "99213", "modifiers": ["25"], "also": [{"code": "G2211", "units": 1, "modifiers": []}]}
    codes = [diagnosis(2, "W19.XXXA", "external_cause"), diagnosis(1, "S93.402A")]
    drafted = draft_charge(answer(codes, [service("29515", [1, 2], modifiers=["LT"])], em), NOTE, "cs-1")
    assert drafted.draft is not None
    assert drafted.draft.diagnoses == ("S93.402A", "W19.XXXA")
    assert drafted.draft.lines == (
        ChargeLine("99213", "CPT", ("25",), 1, (1,)),
        ChargeLine("G2211", "HCPCS", (), 1, (1,)),
        ChargeLine("29515", "CPT", ("LT",), 1, (1, 2)),
    )
    assert not drafted.left_out


def test_what_a_claim_has_no_room_for_is_named() -> None:
    codes = [diagnosis(n, f"Z00.{n}") for n in range(1, 15)]
    drafted = draft_charge(
        answer(codes, [service("29515", [13, 14]), service("29516", [2, 3, 4, 5, 13])]), NOTE, "cs-1"
    )
    assert drafted.left_out == ("Z00.13", "Z00.14")
    assert drafted.draft is not None
    assert [line.diagnosis_pointers for line in drafted.draft.lines] == [(1, 2, 3, 4), (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("codes", "services", "note"),
    [
        ([], [service("29515", [])], NOTE),
        ([diagnosis(1, "R05.9")], [], NOTE),
        ([diagnosis(1, "R05.9")], [service("29515", [1])], SourceDocument("d", "1", "signed", "x", PATIENT)),
    ],
    ids=["no-diagnosis", "no-service", "no-day"],
)
def test_nothing_to_charge_makes_no_draft(codes: list[Any], services: list[Any], note: SourceDocument) -> None:
    assert draft_charge(answer(codes, services), note, "cs-1").draft is None


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
